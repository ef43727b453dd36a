//! Aggregates floods, so that they neither fill the log nor wear the disk.

use std::collections::BTreeMap;
use std::time::Duration;

use super::chain::Entry;
use crate::core::{EventGroup, EventRecord};

/// Events of one rule and group that are written before the rest is aggregated.
const BURST: u32 = 64;
/// Time after which one more is written, and between two records of aggregated events.
const REFILL: Duration = Duration::from_secs(300);
/// The most rules and groups that are told apart; the others share one budget for each rule.
const MOST_KEYS: usize = 256;

/// The events that are held back, by rule and group.
///
/// Each rule of a group has 64 events, and one more every five minutes. The rest is aggregated: one record every five minutes with their number,
/// and what they have in common. So a flood that never ends writes some hundred kilobytes a day.
#[derive(Debug, Default)]
pub(crate) struct Aggregator {
    budgets: BTreeMap<Key, Budget>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    group: String,
    verdict: String,
    reason: String,
}

#[derive(Debug)]
struct Budget {
    left: u32,
    refilled: Duration,
    /// What is aggregated, and since when.
    aggregated: Option<(Entry, Duration)>,
}

impl Aggregator {
    /// Returns the event if it is to be written, and otherwise aggregates it. Notes are always written. `now` is a time of a clock that never
    /// jumps.
    pub(crate) fn admit(&mut self, event: EventRecord, now: Duration) -> Option<EventRecord> {
        if event.is_note() {
            return Some(event);
        }
        let budget = self.budget(&event, now);
        budget.refill(now);
        if budget.left > 0 && budget.aggregated.is_none() {
            budget.left -= 1;
            return Some(event);
        }
        budget.aggregate(event, now);
        None
    }

    /// Returns when the next aggregated events are to be written.
    pub(crate) fn due_at(&self) -> Option<Duration> {
        let aggregated = self
            .budgets
            .values()
            .filter_map(|it| it.aggregated.as_ref());
        aggregated.map(|(_, since)| *since + REFILL).min()
    }

    /// Returns the aggregated events that are due.
    pub(crate) fn due(&mut self, now: Duration) -> Vec<Entry> {
        self.take(|since| since + REFILL <= now)
    }

    /// Returns all aggregated events, at the end.
    pub(crate) fn rest(&mut self) -> Vec<Entry> {
        self.take(|_| true)
    }

    fn take(&mut self, is_due: impl Fn(Duration) -> bool) -> Vec<Entry> {
        let aggregated = self.budgets.values_mut().filter_map(|budget| {
            let aggregated = budget.aggregated.take_if(|(_, since)| is_due(*since));
            aggregated.map(|(entry, _)| entry)
        });
        aggregated.collect()
    }

    fn budget(&mut self, event: &EventRecord, now: Duration) -> &mut Budget {
        let mut key = Key {
            group: EventGroup::of(event).to_string(),
            verdict: event.verdict.clone(),
            reason: event.reason.clone(),
        };
        if !self.budgets.contains_key(&key) && self.budgets.len() >= MOST_KEYS {
            self.budgets.retain(|_, budget| !budget.is_full(now));
            if self.budgets.len() >= MOST_KEYS {
                key.group.clear();
            }
        }
        self.budgets.entry(key).or_insert(Budget {
            left: BURST,
            refilled: now,
            aggregated: None,
        })
    }
}

impl Budget {
    fn refill(&mut self, now: Duration) {
        let added = now.saturating_sub(self.refilled).as_secs() / REFILL.as_secs();
        let added = u32::try_from(added).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(added).min(BURST);
        self.refilled += REFILL.saturating_mul(added);
    }

    /// Whether forgetting the budget changes nothing.
    fn is_full(&mut self, now: Duration) -> bool {
        self.refill(now);
        self.left == BURST && self.aggregated.is_none()
    }

    fn aggregate(&mut self, event: EventRecord, now: Duration) {
        match &mut self.aggregated {
            Some((entry, _)) => entry.event = entry.event.aggregated_with(&event),
            None => {
                let first = Some(event.sequence);
                self.aggregated = Some((Entry { first, event }, now));
            }
        }
    }
}
