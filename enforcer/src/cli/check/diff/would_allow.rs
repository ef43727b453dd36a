//! Past denials that another configuration would allow, as far as their events tell.

use std::collections::BTreeMap;

use anyhow::Result;
use enforcer_common::Class;
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::format::or_dash;
use crate::config::{DefaultAction, Exception, Target};
use crate::core::{EventRecord, protected};
use crate::name::Name;
use crate::policy::{Tables, address, compile_tables};
use crate::sources::Sources;

/// Denials that agree in who, where and why.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct AllowedDenial {
    /// Number of denials.
    count: u64,
    #[serde(flatten)]
    key: Key,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Key {
    /// The unit, container or cgroup.
    unit: Option<String>,
    /// The destination with its port.
    destination: Option<String>,
    /// The name that the process wanted, if known.
    name: Option<String>,
    /// The reason of the denials.
    reason: String,
}

impl AllowedDenial {
    pub(super) fn cells(&self) -> [String; 5] {
        let Key {
            unit,
            destination,
            name,
            reason,
        } = &self.key;
        [
            self.count.to_string(),
            or_dash(unit.as_deref().unwrap_or_default()),
            or_dash(destination.as_deref().unwrap_or_default()),
            or_dash(name.as_deref().unwrap_or_default()),
            reason.clone(),
        ]
    }
}

/// Sums up the denials of `events` that the configuration of `sources` would allow, the most frequent first.
///
/// # Errors
/// If its protected set does not compile.
pub(super) fn find(
    sources: &Sources,
    events: &[EventRecord],
    now: Timestamp,
) -> Result<Vec<AllowedDenial>> {
    let tables = compile_tables(&protected(sources, &[])?)?;
    let mut sums: BTreeMap<Key, u64> = BTreeMap::new();
    let denials = events
        .iter()
        .filter(|event| event.kind().is_denial() && !event.is_of_proof());
    for event in denials.filter(|event| allows(sources, &tables, event, now)) {
        let key = Key {
            unit: event.place(),
            destination: event.target_text(),
            name: event.wanted_name().map(str::to_owned),
            reason: event.reason.clone(),
        };
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(event.duplicates.saturating_add(1));
    }
    let sums = sums.into_iter();
    let mut found: Vec<_> = sums
        .map(|(key, count)| AllowedDenial { count, key })
        .collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.count));
    Ok(found)
}

fn allows(sources: &Sources, tables: &Tables, event: &EventRecord, now: Timestamp) -> bool {
    let name = event.wanted_name();
    let name = name.and_then(|name| name.parse::<Name>().ok());
    let is_allowed_name = name.as_ref().is_some_and(|name| {
        let mut patterns = sources.patterns();
        sources.registry_names().any(|allowed| allowed == name)
            || patterns.any(|(pattern, _)| pattern.matches(name))
    });
    let is_open = event.destination.is_some_and(|to| {
        sources.config.protect.default == DefaultAction::Allow
            && tables.class(address(to)) == Class::Unprotected
    });
    let mut exceptions = sources.config.exceptions.iter();
    is_allowed_name
        || is_open
        || exceptions.any(|exception| {
            exception.until > now
                && is_for(exception, event)
                && covers(exception, event, name.as_ref())
        })
}

/// Whether the exception is for the unit or cgroup of the event.
fn is_for(exception: &Exception, event: &EventRecord) -> bool {
    match &exception.target {
        Target::Unit(unit) => event.unit.as_ref() == Some(unit),
        Target::Cgroup(path) => event.cgroup.as_ref().is_some_and(|of| of.starts_with(path)),
    }
}

fn covers(exception: &Exception, event: &EventRecord, name: Option<&Name>) -> bool {
    let to = event.destination.map(|to| to.to_canonical());
    let mut prefixes = exception.cidrs.iter();
    let is_in_prefix = to.is_some_and(|to| prefixes.any(|prefix| prefix.contains(&to)));
    is_in_prefix || name.is_some_and(|name| exception.names.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::test_data;

    const CONFIG: &str = r#"
        [[registry]]
        login-server = "contoso.azurecr.io"
        [[exception]]
        reason = "logs"
        unit = "build.service"
        names = ["logs.blob.core.windows.net"]
        cidrs = ["20.38.98.0/25"]
        until = 2999-01-31T00:00:00Z
    "#;

    fn found(change: impl Fn(&mut EventRecord)) -> Vec<u64> {
        let mut event = test_data::event();
        change(&mut event);
        let sources = Sources::of_text(CONFIG);
        let found = find(&sources, &[event.clone(), event], test_data::at("20:00")).unwrap();
        found.iter().map(|one| one.count).collect()
    }

    #[test]
    fn an_exception_counts_for_its_unit_and_prefixes() {
        assert_eq!(found(|_| ()), [10]);
        assert_eq!(
            found(|event| event.unit = Some("other.service".to_owned())),
            [0; 0]
        );
        let outside = "20.38.98.200".parse().ok();
        assert_eq!(found(|event| event.destination = outside), [0; 0]);
        assert_eq!(
            found(|event| {
                event.destination = outside;
                event.server_name = Some("logs.blob.core.windows.net".to_owned());
            }),
            [10]
        );
    }

    #[test]
    fn an_allowed_name_counts_for_everybody_and_an_open_address_too() {
        let elsewhere = |event: &mut EventRecord| event.unit = None;
        assert_eq!(found(elsewhere), [0; 0]);
        assert_eq!(
            found(|event| {
                elsewhere(event);
                event.server_name = Some("contoso.azurecr.io".to_owned());
            }),
            [10]
        );
        assert_eq!(
            found(|event| {
                elsewhere(event);
                event.destination = "192.0.2.1".parse().ok();
            }),
            [10]
        );
    }
}
