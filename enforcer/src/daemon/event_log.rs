//! The last events, numbered, for readers that poll and readers that follow.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::core::{AuditedDestination, EventRecord, UnitCount, UnitDenials};

/// Capacity of the log; with their strings, the events take about half a mebibyte.
const MOST_EVENTS: usize = 1024;

/// Log of the last 1024 events of this daemon. If it is full, the unit, container or cgroup with the most events loses its oldest, so a flood
/// displaces only its own events; the newest event is always retained.
///
/// Sequence numbers start at 1 and have no gaps, so a gap shows a reader that events were displaced. A number that this daemon has not reached
/// comes from an earlier daemon: a request with it returns all events.
#[derive(Debug)]
pub struct EventLog {
    records: Mutex<VecDeque<EventRecord>>,
    units: Mutex<UnitDenials>,
    /// The last assigned sequence number; 0 before the first event.
    last: watch::Sender<u64>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self::new()
    }
}

impl EventLog {
    /// Creates an empty log.
    pub fn new() -> Self {
        Self {
            records: Mutex::default(),
            units: Mutex::default(),
            last: watch::Sender::new(0),
        }
    }

    /// Adds an event with the next sequence number and wakes the followers. If the log is full, drops the oldest event of the largest group.
    pub fn push(&self, record: EventRecord) {
        self.units().add(&record);
        let mut records = self.records();
        let sequence = *self.last.borrow() + 1;
        records.push_back(EventRecord { sequence, ..record });
        if records.len() > MOST_EVENTS {
            let displaced = displaced(&records);
            records.remove(displaced);
        }
        self.last.send_replace(sequence);
    }

    /// Returns the first `limit` events after `sequence`, oldest first.
    pub fn since(&self, sequence: u64, limit: usize) -> Vec<EventRecord> {
        let records = self.records();
        let known = sequence <= *self.last.borrow();
        let after = if known { sequence } else { 0 };
        let newer = records.iter().filter(|record| record.sequence > after);
        newer.take(limit).cloned().collect()
    }

    /// Returns where frames go that enforcement would cut.
    pub fn audited(&self) -> Vec<AuditedDestination> {
        AuditedDestination::of(self.records().iter())
    }

    /// Returns the denials by unit since the start.
    pub fn unit_denials(&self) -> Vec<UnitCount> {
        self.units().counts()
    }

    /// Returns the last assigned sequence number; 0 before the first event.
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Waits until [`Self::since`] returns an event for `sequence`.
    pub async fn wait(&self, sequence: u64) {
        let mut last = self.last.subscribe();
        let found = last.wait_for(|last| *last != 0 && *last != sequence).await;
        // The only error is that the sender is dropped, but `self` owns it.
        drop(found);
    }

    fn units(&self) -> MutexGuard<'_, UnitDenials> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self) -> MutexGuard<'_, VecDeque<EventRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Events that count together when the log is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Group<'a> {
    Notes,
    Unit(&'a str),
    Container(&'a str),
    Cgroup(&'a Path),
    /// Denials of cgroups that were removed before the daemon identified them. Apart from the notes, since any process can cause many.
    UnknownCgroup,
}

impl<'a> Group<'a> {
    /// Returns the outermost group. All cgroups below a unit count as one, since a service or a user's manager can create any number.
    fn of(record: &'a EventRecord) -> Self {
        match &record.unit {
            _ if record.is_note() => Self::Notes,
            Some(unit) => Self::Unit(unit),
            None => Self::within(record),
        }
    }

    /// Returns the group within a unit.
    fn within(record: &'a EventRecord) -> Self {
        match (&record.container, &record.cgroup) {
            (Some(container), _) => Self::Container(container),
            (None, Some(cgroup)) => Self::Cgroup(cgroup),
            (None, None) => Self::UnknownCgroup,
        }
    }
}

/// Returns the index of the record to drop: the oldest one of the largest group within the largest outermost group.
fn displaced(records: &VecDeque<EventRecord>) -> usize {
    let outer = largest(records.iter().map(Group::of));
    let of_outer = |record: &&EventRecord| Some(Group::of(record)) == outer;
    let inner = largest(records.iter().filter(of_outer).map(Group::within));
    let is_candidate =
        |record: &EventRecord| of_outer(&record) && Some(Group::within(record)) == inner;
    records.iter().position(is_candidate).unwrap_or(0)
}

/// Returns the most frequent value; in a tie the one that occurs first, so the newest record is never dropped.
fn largest<T: Copy + Eq + Hash>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts = HashMap::new();
    for (at, value) in values.enumerate() {
        let (count, _first) = counts.entry(value).or_insert((0_usize, Reverse(at)));
        *count += 1;
    }
    let largest = counts.into_iter().max_by_key(|(_, rank)| *rank);
    largest.map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::EventKind;
    use crate::core::test_data::event;

    fn note(message: &str) -> EventRecord {
        EventRecord::note(
            EventKind::Mode,
            message.to_owned(),
            jiff::Timestamp::UNIX_EPOCH,
        )
    }

    fn sequences(records: &[EventRecord]) -> Vec<u64> {
        records.iter().map(|record| record.sequence).collect()
    }

    #[test]
    fn events_are_numbered_from_one_and_read_after_a_sequence_number() {
        let log = EventLog::new();
        (0..4).for_each(|_| log.push(event()));
        assert_eq!(sequences(&log.since(0, 9)), [1, 2, 3, 4]);
        assert_eq!(sequences(&log.since(2, 9)), [3, 4]);
        assert_eq!(sequences(&log.since(1, 2)), [2, 3]);
        assert!(log.since(4, 9).is_empty());
    }

    #[test]
    fn a_full_ring_drops_its_oldest_event() {
        let log = EventLog::new();
        (0..=MOST_EVENTS).for_each(|_| log.push(event()));
        let held = sequences(&log.since(0, usize::MAX));
        assert_eq!((held.len(), held[0]), (MOST_EVENTS, 2));
    }

    fn denial(cgroup: Option<&str>, unit: Option<&str>, container: Option<&str>) -> EventRecord {
        EventRecord {
            cgroup: cgroup.map(Into::into),
            unit: unit.map(str::to_owned),
            container: container.map(str::to_owned),
            ..event()
        }
    }

    fn flood(log: &EventLog, record: &EventRecord) {
        (0..MOST_EVENTS + 64).for_each(|_| log.push(record.clone()));
    }

    #[test]
    fn a_flood_displaces_only_itself() {
        let notes_and_denials = [
            note("mode: audit, then enforce"),
            denial(Some("/system.slice/plc.service"), Some("plc.service"), None),
            denial(Some("/docker/a"), None, Some("a")),
            denial(Some("/docker/b"), None, Some("b")),
            denial(Some("/plant"), None, None),
            denial(None, None, None),
        ];
        for (at, flooding) in notes_and_denials.iter().enumerate() {
            let log = EventLog::new();
            notes_and_denials
                .iter()
                .for_each(|record| log.push(record.clone()));
            flood(&log, flooding);
            let held = sequences(&log.since(0, usize::MAX));
            assert_eq!(held.len(), MOST_EVENTS);
            let expected: Vec<u64> = (1..=6).filter(|number| *number != at as u64 + 1).collect();
            assert_eq!(held[..5], expected, "{flooding:?}");
            assert_eq!(held.last(), Some(&log.last()));
        }
    }

    #[test]
    fn cgroups_below_a_unit_displace_those_of_that_unit_only() {
        let log = EventLog::new();
        let of_user = |cgroup: &str| {
            let cgroup = format!("/user.slice/user-1000.slice/user@1000.service/{cgroup}");
            denial(Some(&cgroup), Some("user@1000.service"), None)
        };
        log.push(of_user("app-quiet.scope"));
        let other = denial(Some("/system.slice/plc.service"), Some("plc.service"), None);
        (0..100).for_each(|_| log.push(other.clone()));
        flood(&log, &of_user("app-flood.scope"));
        let held = sequences(&log.since(0, 102));
        assert_eq!(held[..101], (1..=101).collect::<Vec<u64>>());
        for number in 0..MOST_EVENTS {
            log.push(of_user(&number.to_string()));
        }
        let held = sequences(&log.since(1, 101));
        assert_eq!(held[..100], (2..=101).collect::<Vec<u64>>());
    }

    #[test]
    fn in_a_tie_of_groups_the_oldest_event_is_dropped() {
        let log = EventLog::new();
        for number in 0..=MOST_EVENTS {
            let cgroup = format!("/{}", MOST_EVENTS - number);
            log.push(denial(Some(&cgroup), None, None));
        }
        let held = sequences(&log.since(0, usize::MAX));
        assert_eq!((held.len(), held[0]), (MOST_EVENTS, 2));
        assert_eq!(held.last(), Some(&log.last()));
    }

    #[tokio::test]
    async fn a_follower_continues_after_displaced_events() {
        let log = EventLog::new();
        log.push(note("mode: enforce"));
        flood(&log, &event());
        log.wait(1).await;
        let next = log.since(1, 9);
        let first_held = log.last() + 2 - MOST_EVENTS as u64;
        assert_eq!(next[0].sequence, first_held);
        log.push(event());
        log.wait(log.last() - 1).await;
        assert_eq!(sequences(&log.since(log.last() - 1, 9)), [log.last()]);
    }

    #[test]
    fn a_sequence_number_of_an_earlier_daemon_returns_all_events() {
        let log = EventLog::new();
        assert!(log.since(500, 9).is_empty());
        log.push(event());
        assert_eq!(sequences(&log.since(500, 9)), [1]);
    }

    #[tokio::test]
    async fn a_waiting_reader_wakes_for_the_next_event_only() {
        let log = EventLog::new();
        log.push(event());
        log.wait(0).await;
        log.wait(500).await;
        let mut waiting = std::pin::pin!(log.wait(1));
        tokio::select! {
            biased;
            () = &mut waiting => panic!("there is no second event yet"),
            () = std::future::ready(()) => {}
        }
        log.push(event());
        waiting.await;
    }
}
