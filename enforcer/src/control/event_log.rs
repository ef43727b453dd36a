//! The last events, numbered, for readers that poll and readers that follow.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::EventRecord;

/// How many events are held; with their strings about half a mebibyte.
const MOST_EVENTS: usize = 1024;

/// A ring of the last 1024 events of this daemon.
///
/// Sequence numbers start from 1 and have no gaps, so a reader sees what it missed. A number that this daemon has not reached comes
/// from a daemon before it: whoever asks with one gets all that is held.
#[derive(Debug)]
pub struct EventLog {
    records: Mutex<VecDeque<EventRecord>>,
    /// The last sequence number given; 0 before the first event.
    last: watch::Sender<u64>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self::new()
    }
}

impl EventLog {
    /// An empty log.
    pub fn new() -> Self {
        Self {
            records: Mutex::default(),
            last: watch::Sender::new(0),
        }
    }

    /// Adds an event, gives it the next sequence number and wakes the followers. The oldest one goes when the ring is full.
    pub fn push(&self, record: EventRecord) {
        let mut records = self.records();
        let sequence = *self.last.borrow() + 1;
        if records.len() == MOST_EVENTS {
            records.pop_front();
        }
        records.push_back(EventRecord { sequence, ..record });
        self.last.send_replace(sequence);
    }

    /// The first `limit` of the events held after `sequence`, oldest first.
    pub fn since(&self, sequence: u64, limit: usize) -> Vec<EventRecord> {
        let records = self.records();
        let known = sequence <= *self.last.borrow();
        let after = if known { sequence } else { 0 };
        let newer = records.iter().filter(|record| record.sequence > after);
        newer.take(limit).cloned().collect()
    }

    /// The last sequence number given; 0 before the first event.
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Waits until [`Self::since`] has something to give for `sequence`.
    pub async fn wait(&self, sequence: u64) {
        let mut last = self.last.subscribe();
        let found = last.wait_for(|last| *last != 0 && *last != sequence).await;
        // The only error is that the sender is gone, and `self` holds it.
        drop(found);
    }

    fn records(&self) -> MutexGuard<'_, VecDeque<EventRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::event;
    use super::*;

    fn sequences(records: &[EventRecord]) -> Vec<u64> {
        records.iter().map(|record| record.sequence).collect()
    }

    #[test]
    fn events_are_numbered_from_one_and_read_from_where_the_reader_was() {
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

    #[test]
    fn a_number_of_an_earlier_daemon_gets_all_that_is_held() {
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
