//! The last events, numbered, for readers that poll and readers that follow.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use super::log_keeper::{LogFailures, LogKeeper};
use crate::config::Log;
use crate::core::{AuditedDestination, EventGroup, EventRecord, UnitCount, UnitDenials};
use crate::log_files::Reader;

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
    /// What keeps events on the disk.
    keeper: Mutex<Option<LogKeeper>>,
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
            keeper: Mutex::default(),
            last: watch::Sender::new(0),
        }
    }

    /// Adds an event with the next sequence number and wakes the followers. If the log is full, drops the oldest event of the largest group.
    pub fn push(&self, record: EventRecord) {
        self.units().add(&record);
        let mut records = self.records();
        let sequence = *self.last.borrow() + 1;
        let record = EventRecord { sequence, ..record };
        if let Some(keeper) = &*self.keeper() {
            keeper.keep(record.clone());
        }
        records.push_back(record);
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

    /// Continues the log of earlier runs below the state directory `state`, before the first event.
    pub(crate) fn continue_in(&self, state: &Path, config: &Log) {
        let (keeper, remembered) = LogKeeper::start(state, config);
        *self.records() = remembered.events.into();
        self.last.send_replace(remembered.last_sequence);
        self.keep_with(keeper);
    }

    /// Keeps events with `keeper` from now on, and closes the one before.
    pub(super) fn keep_with(&self, keeper: Option<LogKeeper>) {
        let before = std::mem::replace(&mut *self.keeper(), keeper);
        if let Some(before) = before {
            before.close();
        }
    }

    /// Returns what prevents events from being kept.
    pub(super) fn failures(&self) -> LogFailures {
        let keeper = self.keeper();
        keeper.as_ref().map(LogKeeper::failures).unwrap_or_default()
    }

    /// Reads the log on the disk from a time on; `None` if there is none.
    ///
    /// # Errors
    /// If its directory cannot be read.
    pub(crate) fn read_kept(&self, from: Timestamp) -> io::Result<Option<Reader>> {
        let keeper = self.keeper();
        keeper.as_ref().map_or(Ok(None), |keeper| keeper.read(from))
    }

    /// Returns the sequence number of the oldest event in memory; of the next one if there is none.
    pub fn first(&self) -> u64 {
        let first = self.records().front().map(|record| record.sequence);
        first.unwrap_or_else(|| self.last() + 1)
    }

    fn keeper(&self) -> MutexGuard<'_, Option<LogKeeper>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn units(&self) -> MutexGuard<'_, UnitDenials> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self) -> MutexGuard<'_, VecDeque<EventRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the index of the record to drop: the oldest one of the largest group within the largest outermost group.
fn displaced(records: &VecDeque<EventRecord>) -> usize {
    let outer = largest(records.iter().map(EventGroup::of));
    let of_outer = |record: &&EventRecord| Some(EventGroup::of(record)) == outer;
    let inner = largest(records.iter().filter(of_outer).map(EventGroup::within));
    let is_candidate =
        |record: &EventRecord| of_outer(&record) && Some(EventGroup::within(record)) == inner;
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
mod tests;
