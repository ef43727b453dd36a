//! The denials of the last minutes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::cli::events::Key;
use crate::core::EventRecord;

/// How long denials are shown.
pub(super) const SPAN: SignedDuration = SignedDuration::from_mins(10);
/// The span of the rate.
const RATE_SPAN: SignedDuration = SignedDuration::from_mins(1);
/// Maximum number of events; the oldest give way.
const MOST: usize = 4096;

/// The last denials, oldest first.
#[derive(Default)]
pub(super) struct Window {
    events: VecDeque<EventRecord>,
    /// The highest sequence number that was read.
    last: u64,
}

/// Denials that agree in who, where and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "TopDenial"))]
pub(super) struct Row {
    #[serde(flatten)]
    pub(super) key: Key,
    /// Number in the last minute.
    pub(super) last_minute: u64,
    /// Number in the last ten minutes.
    pub(super) count: u64,
    /// The time of the last one.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub(super) last: Timestamp,
}

impl Window {
    /// Adds an event that is not there yet; changes only count as read. The log on the disk, memory and a daemon that begins to count again repeat some, in another order.
    pub(super) fn add(&mut self, event: EventRecord) {
        self.last = self.last.max(event.sequence);
        let mut events = self.events.iter();
        let is_known =
            events.any(|known| known.sequence == event.sequence && known.time == event.time);
        if is_known || !event.kind().is_denial() {
            return;
        }
        if self.events.len() == MOST {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Returns the highest sequence number that was read.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Expects events from the first one on: another daemon may count from there.
    pub(super) fn begin_again(&mut self) {
        self.last = 0;
    }

    /// Forgets what is too old at `now`.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.events
            .retain(|event| now.duration_since(event.time) < SPAN);
    }

    /// Returns the sums, the most frequent of the last minute first.
    pub(super) fn rows(&self, now: Timestamp) -> Vec<Row> {
        let mut rows: BTreeMap<Key, Row> = BTreeMap::new();
        for event in &self.events {
            let key = Key::of(event);
            let row = rows.entry(key).or_insert_with_key(|key| Row {
                key: key.clone(),
                last_minute: 0,
                count: 0,
                last: event.time,
            });
            let number = event.duplicates.saturating_add(1);
            row.count = row.count.saturating_add(number);
            if now.duration_since(event.time) < RATE_SPAN {
                row.last_minute = row.last_minute.saturating_add(number);
            }
            row.last = row.last.max(event.time);
        }
        let mut rows: Vec<Row> = rows.into_values().collect();
        rows.sort_by_key(|row| Reverse((row.last_minute, row.count, row.last)));
        rows
    }

    /// Returns the events of one sum.
    pub(super) fn events_of(&self, key: &Key) -> Vec<EventRecord> {
        let events = self.events.iter();
        events
            .filter(|event| Key::of(event) == *key)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::EventKind;
    use crate::doctor::test_data;

    fn denial(sequence: u64, time: &str, unit: &str) -> EventRecord {
        EventRecord {
            sequence,
            time: test_data::at(time),
            unit: Some(unit.to_owned()),
            ..test_data::event()
        }
    }

    #[test]
    fn denials_are_summed_and_the_most_frequent_of_the_last_minute_come_first() {
        let mut window = Window::default();
        for (sequence, time, unit) in [
            (1, "05:00", "old.service"),
            (2, "12:00", "old.service"),
            (3, "14:30", "new.service"),
        ] {
            window.add(denial(sequence, time, unit));
        }
        let rows = window.rows(test_data::at("15:00"));
        let found: Vec<_> = rows
            .iter()
            .map(|row| (row.key.unit.as_deref(), row.last_minute, row.count))
            .collect();
        assert_eq!(
            found,
            [(Some("new.service"), 5, 5), (Some("old.service"), 0, 10)]
        );
        assert_eq!(window.events_of(&rows[1].key).len(), 2);
    }

    #[test]
    fn what_is_older_than_ten_minutes_is_forgotten() {
        let mut window = Window::default();
        window.add(denial(1, "05:00", "a.service"));
        window.add(denial(2, "05:01", "a.service"));
        window.expire(test_data::at("15:00"));
        assert_eq!(window.rows(test_data::at("15:00"))[0].count, 5);
        window.expire(test_data::at("15:01"));
        assert_eq!(window.rows(test_data::at("15:01")), []);
    }

    #[test]
    fn changes_only_move_the_position() {
        let mut window = Window::default();
        let note = EventRecord::note(EventKind::Names, "added".to_owned(), test_data::at("05:00"));
        window.add(EventRecord {
            sequence: 7,
            ..note
        });
        assert_eq!(window.last(), 7);
        assert_eq!(window.rows(test_data::at("05:00")), []);
    }

    #[test]
    fn an_event_counts_once_in_whatever_order_it_comes() {
        let mut window = Window::default();
        for sequence in [1, 201, 65, 201, 1, 65] {
            window.add(denial(sequence, "05:00", "a.service"));
        }
        assert_eq!(window.last(), 201);
        assert_eq!(window.rows(test_data::at("05:00"))[0].count, 15);
        window.begin_again();
        window.add(denial(1, "05:00", "a.service"));
        window.add(denial(1, "05:30", "a.service"));
        assert_eq!(window.last(), 1);
        assert_eq!(window.rows(test_data::at("05:30"))[0].count, 20);
    }

    #[test]
    fn the_number_of_events_is_bounded() {
        let mut window = Window::default();
        for sequence in 0..MOST as u64 + 10 {
            window.add(denial(sequence, "05:00", "a.service"));
        }
        assert_eq!(window.events.len(), MOST);
        assert_eq!(window.events[0].sequence, 10);
    }
}
