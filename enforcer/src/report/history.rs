//! What was refused in the last day or week, as far as the daemon still holds it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::core::EventRecord;
use crate::page::{Cell, bars, paragraph, table};

/// A time that ends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    /// 24 hours.
    Day,
    /// Seven days.
    Week,
}

/// Denials of a period, without those of proofs.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct History {
    /// Denials by hour or day, oldest first.
    pub(crate) steps: Vec<Step>,
    /// Denials by unit and reason, the most frequent first.
    pub(crate) units: Vec<UnitHistory>,
}

/// Denials of an hour or a day.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "HistoryStep"))]
pub(crate) struct Step {
    /// Its begin.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub(crate) from: Timestamp,
    /// Denials by reason.
    pub(crate) denials: BTreeMap<String, u64>,
}

/// Denials of one unit for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct UnitHistory {
    /// The unit, container or cgroup.
    pub(crate) unit: String,
    /// The reason.
    pub(crate) reason: String,
    /// "deny", or "audit" if they passed.
    pub(crate) verdict: String,
    /// Number of denials.
    pub(crate) count: u64,
    /// The time of the last one.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub(crate) last: Timestamp,
}

impl Period {
    /// Number and length of its steps.
    const fn steps(self) -> (u32, Duration) {
        match self {
            Self::Day => (24, Duration::from_secs(3600)),
            Self::Week => (7, Duration::from_secs(86_400)),
        }
    }

    /// Its name in a sentence.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    /// Its begin, if it ends at `now`.
    pub(crate) fn begin(self, now: Timestamp) -> Timestamp {
        let (count, length) = self.steps();
        now.checked_sub(length * count).unwrap_or(Timestamp::MIN)
    }
}

impl History {
    /// Sums up `events` in a period that ends at `now`.
    pub(crate) fn of(events: &[EventRecord], period: Period, now: Timestamp) -> Self {
        let begin = period.begin(now);
        let (count, length) = period.steps();
        let step = |index: u32| Step {
            from: begin.checked_add(length * index).unwrap_or(now),
            denials: BTreeMap::new(),
        };
        let mut steps: Vec<_> = (0..count).map(step).collect();
        let mut units: BTreeMap<[String; 3], (u64, Timestamp)> = BTreeMap::new();
        let denials = events.iter().filter(|event| event.kind().is_denial());
        for event in denials.filter(|event| !event.is_of_proof()) {
            let Some(step) = steps.iter_mut().rfind(|step| step.from <= event.time) else {
                continue;
            };
            let count = event.duplicates.saturating_add(1);
            let sum = step.denials.entry(event.reason.clone()).or_default();
            *sum = sum.saturating_add(count);
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
        Self { steps, units }
    }

    /// Returns the parts of a section of a page.
    pub(crate) fn parts(&self) -> Vec<String> {
        if self.units.is_empty() {
            return vec![paragraph("The daemon holds none.")];
        }
        // A day is named by its end, as it began the day before.
        let (title, format, after) = match self.steps.len() {
            0..=7 => ("Denials by day (UTC)", "%m-%d", Period::Week.steps().1),
            _ => ("Denials by hour (UTC)", "%H:%M", Duration::ZERO),
        };
        let steps = self.steps.iter();
        let steps: Vec<_> = steps
            .map(|step| {
                let shown = step.from.checked_add(after).unwrap_or(step.from);
                (shown.strftime(format).to_string(), step.denials.clone())
            })
            .collect();
        let units = self.units.iter();
        let rows = units.map(|one| {
            let texts = [
                one.unit.clone(),
                one.reason.clone(),
                one.verdict.clone(),
                one.count.to_string(),
                format!("{:.0}", one.last),
            ];
            texts.map(Cell::new)
        });
        let header = ["Unit", "Reason", "Verdict", "Denials", "Last"];
        vec![
            bars(title, &steps),
            table(header, rows.collect()),
            paragraph("As far as the daemon still holds the events."),
        ]
    }
}

#[cfg(test)]
mod tests {
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
        let events = [event(0, 4), event(23, 0), event(25, 9)];
        let history = History::of(&events, Period::Day, now);
        assert_eq!(history.steps.len(), 24);
        assert_eq!(history.steps[23].denials["storage"], 5);
        assert_eq!(history.steps[1].denials["storage"], 1);
        assert_eq!(history.units.len(), 1);
        assert_eq!((history.units[0].count, history.units[0].last), (6, now));
        let history = History::of(&events, Period::Week, now);
        assert_eq!(history.steps.len(), 7);
        assert_eq!(history.steps[6].denials["storage"], 6);
        assert_eq!(history.steps[5].denials["storage"], 10);
        let parts = history.parts().concat();
        assert!(
            parts.contains("agent.service") && parts.contains("11-30"),
            "{parts}"
        );
    }
}
