//! What `top` shows at one moment.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::window::Row;
use crate::cli::format::{kind, span};
use crate::cli::status::{in_force, name_state};
use crate::core::{AddressStatus, Alarm, NameStatus, Status};

/// The state, the denials and the names.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "TopOverview"))]
pub(in crate::cli) struct Overview {
    /// The time.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub(super) time: Timestamp,
    /// The version of the daemon.
    pub(super) version: String,
    /// Whether denials are enforced, and all hooks are attached.
    pub(super) enforcing: bool,
    /// Whether the policy is in force, in one sentence.
    pub(super) sentence: String,
    /// Why the daemon does not answer; the rest is from before.
    pub(super) failure: Option<String>,
    /// Denied attempts since the maps were created.
    pub(super) denied: u64,
    /// Attempts that audit mode let pass.
    pub(super) audited: u64,
    /// Denials in the last minute, whatever the filter.
    pub(super) last_minute: u64,
    /// What needs attention.
    pub(super) alarms: Vec<Alarm>,
    /// The denials of the last ten minutes.
    pub(super) denials: Vec<Row>,
    /// The allowed names with their addresses.
    pub(super) names: Vec<NameRow>,
}

/// A name with one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "TopName"))]
pub(super) struct NameRow {
    /// The name.
    pub(super) name: String,
    /// What it is for.
    pub(super) kind: &'static str,
    /// `None` for a name without addresses.
    pub(super) address: Option<IpAddr>,
    /// When DNS first answered with the address.
    #[cfg_attr(test, schemars(with = "Option<crate::documents::Time>"))]
    pub(super) first_seen: Option<Timestamp>,
    /// When DNS last answered with it.
    #[cfg_attr(test, schemars(with = "Option<crate::documents::Time>"))]
    pub(super) last_seen: Option<Timestamp>,
    /// Whether it resolves, in one sentence.
    pub(super) state: String,
}

impl Overview {
    /// Creates the overview of `status` and `denials` at `now`.
    pub(super) fn new(
        status: &Status,
        failure: Option<String>,
        denials: Vec<Row>,
        now: Timestamp,
    ) -> Self {
        let (enforcing, sentence) = in_force(status);
        let registries = status.registries.iter().flat_map(|one| &one.names);
        let exceptions = status.exceptions.iter().flat_map(|one| &one.names);
        Self {
            time: now,
            version: status.version.clone(),
            enforcing: enforcing && failure.is_none(),
            sentence,
            failure,
            denied: status.counters.attempts("deny"),
            audited: status.counters.attempts("audit"),
            last_minute: denials
                .iter()
                .fold(0, |sum, row| sum.saturating_add(row.last_minute)),
            alarms: status.alarms.clone(),
            denials,
            names: registries.chain(exceptions).flat_map(rows).collect(),
        }
    }

    /// Keeps the denials and names that contain `filter`, in upper or lower case.
    #[must_use]
    pub(super) fn filtered(mut self, filter: &str) -> Self {
        let filter = filter.to_lowercase();
        self.denials.retain(|row| {
            let key = &row.key;
            let texts = [&key.unit, &key.command, &key.destination, &key.name];
            let texts = texts.into_iter().flatten();
            let mut texts = texts.chain([&key.verdict, &key.reason]);
            texts.any(|text| text.to_lowercase().contains(&filter))
        });
        self.names.retain(|row| {
            let address = row.address.map(|address| address.to_string());
            let texts = [row.name.as_str(), row.kind, row.state.as_str()];
            let mut texts = texts.into_iter().chain(address.as_deref());
            texts.any(|text| text.to_lowercase().contains(&filter))
        });
        self
    }
}

/// Returns a row for each address of a name, or one without an address.
fn rows(name: &NameStatus) -> Vec<NameRow> {
    let row = NameRow {
        name: name.name.to_string(),
        kind: kind(name.kind),
        address: None,
        first_seen: None,
        last_seen: None,
        state: name_state(name),
    };
    if name.addresses.is_empty() {
        return vec![row];
    }
    let addresses = name.addresses.iter().map(|address| NameRow {
        address: Some(address.address),
        first_seen: Some(address.first_seen),
        last_seen: Some(address.last_seen),
        state: address_state(address).unwrap_or_else(|| row.state.clone()),
        ..row.clone()
    });
    addresses.collect()
}

/// What is special about an address.
fn address_state(address: &AddressStatus) -> Option<String> {
    if address.lingers {
        let left = span(address.remaining);
        return Some(format!("no longer in answers, removed in {left}"));
    }
    address.given_by()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::window::Window;
    use super::*;
    use crate::doctor::test_data;

    pub(in crate::cli::top) fn overview() -> Overview {
        let mut window = Window::default();
        window.add(test_data::event());
        let now = test_data::at("12:30");
        Overview::new(&test_data::status(), None, window.rows(now), now)
    }

    #[test]
    fn each_address_has_a_row_with_what_is_special_about_it() {
        let states: Vec<_> = overview()
            .names
            .iter()
            .map(|row| {
                let address = row.address.map(|address| address.to_string());
                (address.unwrap_or_default(), row.state.clone())
            })
            .collect();
        let expected = [
            ("20.42.66.0", "ok"),
            ("20.42.66.1", "snooped"),
            ("2603:1030::66", "ok"),
            ("20.42.66.13", "/etc/hosts line 3"),
            (
                "",
                "failing since 2026-01-01T00:05:00Z: no resolver answered in time",
            ),
            ("", "not resolved yet"),
        ];
        let expected = expected.map(|(address, state)| (address.to_owned(), state.to_owned()));
        assert_eq!(states, expected);
    }

    #[test]
    fn the_filter_keeps_what_contains_it_in_any_case() {
        for (filter, denials, names) in [
            ("", 1, 6),
            ("CURL", 1, 0),
            ("build.service", 1, 0),
            ("eastus", 0, 1),
            ("20.42.66.1", 0, 2),
            ("nothing", 0, 0),
        ] {
            let kept = overview().filtered(filter);
            let found = (kept.denials.len(), kept.names.len());
            assert_eq!(found, (denials, names), "{filter}");
            assert_eq!(kept.last_minute, 5, "of all denials");
        }
    }

    #[test]
    fn a_daemon_that_does_not_answer_is_not_called_enforcing() {
        let failure = Some("the daemon does not run".to_owned());
        let now = test_data::at("12:30");
        let overview = Overview::new(&test_data::status(), failure, Vec::new(), now);
        assert!(!overview.enforcing);
    }
}
