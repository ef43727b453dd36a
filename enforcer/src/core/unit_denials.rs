//! Denials by systemd unit since the start of the daemon.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::event_record::EventRecord;

/// Maximum number of units that are counted by name: each is a time series wherever the metrics are stored.
const MOST_UNITS: usize = 100;
/// Stands for further units.
const OTHERS: &str = "others";

/// Denials of one unit with one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct UnitCount {
    /// The unit; "containers", "cgroups" and "unknown" stand for all that belong to no unit, "others" for units beyond the hundredth.
    pub unit: String,
    /// [`enforcer_common::Reason::word`], or "suppressed".
    pub reason: String,
    /// "deny" or "audit".
    pub verdict: String,
    /// Number of denials.
    pub count: u64,
}

/// Counts the denials of events, those without an event of their own included.
#[derive(Debug, Default)]
pub(crate) struct UnitDenials {
    units: BTreeSet<String>,
    counts: BTreeMap<[String; 3], u64>,
}

impl UnitDenials {
    /// Adds the denials of an event, unless `prove` caused them.
    pub(crate) fn add(&mut self, event: &EventRecord) {
        if !event.kind().is_denial() || event.is_of_proof() {
            return;
        }
        let unit = self.unit(event).to_owned();
        let key = [unit, event.reason.clone(), event.verdict.clone()];
        let count = self.counts.entry(key).or_default();
        *count = count.saturating_add(event.duplicates.saturating_add(1));
    }

    fn unit<'a>(&mut self, event: &'a EventRecord) -> &'a str {
        let unit = match (&event.container, &event.unit, &event.cgroup) {
            // Its scope would be a unit for each container.
            (Some(_), ..) => return "containers",
            (None, Some(unit), _) => unit,
            (None, None, Some(_)) => return "cgroups",
            (None, None, None) => return "unknown",
        };
        if self.units.contains(unit) {
            return unit;
        }
        if self.units.len() >= MOST_UNITS {
            return OTHERS;
        }
        self.units.insert(unit.clone());
        unit
    }

    /// Returns the counts.
    pub(crate) fn counts(&self) -> Vec<UnitCount> {
        let counts = self.counts.iter();
        let counts = counts.map(|([unit, reason, verdict], count)| UnitCount {
            unit: unit.clone(),
            reason: reason.clone(),
            verdict: verdict.clone(),
            count: *count,
        });
        counts.collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::core::EventKind;
    use crate::core::test_data::event;

    fn of(unit: Option<&str>, container: Option<&str>, cgroup: Option<&str>) -> EventRecord {
        EventRecord {
            unit: unit.map(str::to_owned),
            container: container.map(str::to_owned),
            cgroup: cgroup.map(Into::into),
            duplicates: 2,
            ..event()
        }
    }

    fn counted(events: &[EventRecord]) -> Vec<(String, u64)> {
        let mut denials = UnitDenials::default();
        events.iter().for_each(|event| denials.add(event));
        let counts = denials.counts().into_iter();
        counts.map(|count| (count.unit, count.count)).collect()
    }

    #[test]
    fn every_denial_counts_once() {
        let note = EventRecord::note(EventKind::Names, "added".to_owned(), Timestamp::UNIX_EPOCH);
        let events = [
            of(Some("a.service"), None, Some("/a")),
            of(Some("a.service"), None, Some("/a/b")),
            of(Some("docker-1.scope"), Some("1"), Some("/d")),
            of(None, Some("2"), Some("/d")),
            of(None, None, Some("/plant")),
            of(None, None, None),
            note,
        ];
        let expected = [
            ("a.service", 6),
            ("cgroups", 3),
            ("containers", 6),
            ("unknown", 3),
        ];
        let expected = expected.map(|(unit, count)| (unit.to_owned(), count));
        assert_eq!(counted(&events), expected);
    }

    #[test]
    fn the_number_of_units_is_bounded() {
        let events: Vec<_> = (0..MOST_UNITS + 50)
            .map(|number| of(Some(&format!("u{number}.service")), None, None))
            .collect();
        let counted = counted(&events);
        assert_eq!(counted.len(), MOST_UNITS + 1);
        assert!(counted.contains(&(OTHERS.to_owned(), 150)));
    }
}
