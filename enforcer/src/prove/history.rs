//! What was refused in the last day, as far as the daemon still holds it.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;

use crate::core::EventRecord;

/// Number of hours.
pub(super) const HOURS: usize = 24;

/// Denials of the last [`HOURS`], without those of proofs.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct History {
    /// Denials by hour, oldest first, each by reason.
    pub(crate) hours: Vec<BTreeMap<String, u64>>,
    /// Denials by unit and reason.
    pub(crate) units: Vec<UnitHistory>,
}

/// Denials of one unit for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct UnitHistory {
    /// The unit, container or cgroup.
    pub(crate) unit: String,
    pub(crate) reason: String,
    /// "deny", or "audit" if they passed.
    pub(crate) verdict: String,
    pub(crate) count: u64,
    /// The time of the last one.
    pub(crate) last: Timestamp,
}

impl History {
    /// Sums up `events` at `now`.
    pub(super) fn of(events: &[EventRecord], now: Timestamp) -> Self {
        let mut hours = vec![BTreeMap::new(); HOURS];
        let mut units: BTreeMap<[String; 3], (u64, Timestamp)> = BTreeMap::new();
        let denials = events.iter().filter(|event| event.kind().is_denial());
        for event in denials.filter(|event| !event.is_of_proof()) {
            let Some(hour) = hour(event.time, now) else {
                continue;
            };
            let count = event.duplicates.saturating_add(1);
            *hours[hour].entry(event.reason.clone()).or_default() += count;
            let unit = event.place().unwrap_or_else(|| "unknown".to_owned());
            let key = [unit, event.reason.clone(), event.verdict.clone()];
            let (sum, last) = units.entry(key).or_insert((0, event.time));
            *sum = sum.saturating_add(count);
            *last = event.time.max(*last);
        }
        let unit = |([unit, reason, verdict], (count, last)): ([String; 3], _)| UnitHistory {
            unit,
            reason,
            verdict,
            count,
            last,
        };
        let mut units: Vec<_> = units.into_iter().map(unit).collect();
        units.sort_by_key(|one| std::cmp::Reverse(one.count));
        Self { hours, units }
    }
}

/// Returns the index of the hour of `time`; `None` if it is older than all.
fn hour(time: Timestamp, now: Timestamp) -> Option<usize> {
    let oldest = now.checked_sub(i64::try_from(HOURS).ok()?.hours()).ok()?;
    let seconds = usize::try_from(time.as_second() - oldest.as_second()).ok()?;
    Some((seconds / 3600).min(HOURS - 1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::EventKind;

    #[test]
    fn denials_count_in_their_hour_with_all_that_they_stand_for() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let event = |hours_ago: u64, duplicates| EventRecord {
            verdict: "deny".to_owned(),
            reason: "storage".to_owned(),
            unit: Some("agent.service".to_owned()),
            duplicates,
            ..EventRecord::note(
                EventKind::Other,
                String::new(),
                now - Duration::from_secs(3600 * hours_ago),
            )
        };
        let history = History::of(&[event(0, 4), event(23, 0), event(25, 9)], now);
        assert_eq!(history.hours.len(), HOURS);
        assert_eq!(history.hours[HOURS - 1]["storage"], 5);
        assert_eq!(history.hours[1]["storage"], 1);
        assert_eq!(history.units.len(), 1);
        assert_eq!((history.units[0].count, history.units[0].last), (6, now));
    }
}
