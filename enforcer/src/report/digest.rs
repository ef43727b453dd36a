//! The report of a period.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::ages::{self, Age};
use super::history::{History, Period};
use crate::config::Mode;
use crate::core::{Alarm, EventRecord, Status};

/// Version of the JSON document; new keys do not change it.
const SCHEMA: u32 = 1;
/// Maximum number of destinations.
const MOST_DESTINATIONS: usize = 20;

/// The report of a period.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "Report"))]
pub(crate) struct Digest {
    /// Version of the document.
    pub(crate) schema: u32,
    /// When it was made.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub(crate) time: Timestamp,
    /// The begin of the period.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub(crate) from: Timestamp,
    /// "day" or "week".
    pub(crate) period: &'static str,
    /// The name of the host.
    pub(crate) host: String,
    /// The version of the daemon.
    pub(crate) version: String,
    /// Whether denials are enforced.
    pub(crate) mode: Mode,
    /// What needs attention.
    pub(crate) alarms: Vec<Alarm>,
    /// The denials of the period.
    pub(crate) history: History,
    /// The most frequent destinations.
    pub(crate) destinations: Vec<Destination>,
    /// What changed.
    pub(crate) changes: Vec<Change>,
    /// What ends or grows old.
    pub(crate) ages: Vec<Age>,
}

/// Denials of one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "ReportDestination"))]
pub(crate) struct Destination {
    /// The address with its port.
    pub(crate) destination: String,
    /// The server name, if it was read.
    pub(crate) name: Option<String>,
    /// Number of denials.
    pub(crate) count: u64,
}

/// A change of names, service tags, modes or exceptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "ReportChange"))]
pub(crate) struct Change {
    /// When.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub(crate) time: Timestamp,
    /// What.
    pub(crate) message: String,
}

impl Digest {
    /// Sums up the status and the events of the daemon at `now`.
    pub(crate) fn of(
        status: &Status,
        events: &[EventRecord],
        period: Period,
        now: Timestamp,
    ) -> Self {
        let from = period.begin(now);
        let events: Vec<_> = events
            .iter()
            .filter(|event| event.time >= from && !event.is_of_proof())
            .cloned()
            .collect();
        let host = nix::unistd::gethostname().ok();
        Self {
            schema: SCHEMA,
            time: now,
            from,
            period: period.word(),
            host: host.map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            version: status.version.clone(),
            mode: status.mode,
            alarms: status.alarms.clone(),
            history: History::of(&events, period, now),
            destinations: destinations(&events),
            changes: changes(&events),
            ages: ages::of(status, now),
        }
    }

    /// Number of denials.
    pub(crate) fn denials(&self) -> u64 {
        self.history.units.iter().map(|unit| unit.count).sum()
    }
}

fn destinations(events: &[EventRecord]) -> Vec<Destination> {
    let mut sums: BTreeMap<(String, Option<String>), u64> = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind().is_denial()) {
        if let Some(target) = event.target_text() {
            let name = event.wanted_name().map(str::to_owned);
            let sum = sums.entry((target, name)).or_default();
            *sum = sum.saturating_add(event.duplicates.saturating_add(1));
        }
    }
    let sums = sums.into_iter();
    let mut found: Vec<_> = sums
        .map(|((destination, name), count)| Destination {
            destination,
            name,
            count,
        })
        .collect();
    found.sort_by_key(|one| Reverse(one.count));
    found.truncate(MOST_DESTINATIONS);
    found
}

fn changes(events: &[EventRecord]) -> Vec<Change> {
    let notes = events.iter().filter(|event| event.is_note());
    notes
        .map(|event| Change {
            time: event.time,
            message: event.sentence(),
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::core::EventKind;
    use crate::doctor::test_data;

    pub(crate) fn digest() -> Digest {
        let now = test_data::at("20:00");
        let note = EventRecord::note(EventKind::Other, "a replica came".to_owned(), now);
        let mut proof = test_data::event();
        proof.unit = Some("egress-enforcer-prove".to_owned());
        let events = [test_data::event(), note, proof];
        Digest::of(&test_data::status(), &events, Period::Day, now)
    }

    #[test]
    fn denials_changes_and_ages_are_summed_up() {
        let digest = digest();
        assert_eq!(digest.denials(), 5);
        assert_eq!(digest.destinations.len(), 1);
        assert_eq!(digest.destinations[0].destination, "20.38.98.100:443");
        assert_eq!(digest.changes.len(), 1);
        assert_eq!(digest.changes[0].message, "a replica came");
        assert!(digest.ages.iter().any(|age| age.what == "service tags"));
    }

    #[test]
    fn what_is_older_than_the_period_is_left_out() {
        let later = test_data::at("20:00") + std::time::Duration::from_secs(2 * 86_400);
        let events = [test_data::event()];
        let of = |period| Digest::of(&test_data::status(), &events, period, later).denials();
        assert_eq!((of(Period::Day), of(Period::Week)), (0, 5));
    }
}
