//! The last events, numbered, for readers that poll and readers that follow.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::log_keeper::{LogFailures, LogKeeper, Remembered};
use crate::config::Log;
use crate::core::{AuditedDestination, EventGroup, EventRecord, UnitCount, UnitDenials};
use crate::log_files::directory;

/// Capacity of the log; with their strings, the events take about half a mebibyte.
const MOST_EVENTS: usize = 1024;

/// Log of the last 1024 events. If it is full, the unit, container or cgroup with the most events loses its oldest, so a flood displaces only
/// its own events; the newest event is always retained.
///
/// Sequence numbers rise, over restarts if events are kept on the disk. A gap shows a reader that events were displaced. A number that this
/// daemon has not reached comes from an earlier daemon: a request with it returns all events.
#[derive(Debug)]
pub struct EventLog {
    records: Mutex<VecDeque<Arc<EventRecord>>>,
    units: Mutex<UnitDenials>,
    kept: Mutex<Kept>,
    /// The last assigned sequence number; 0 before the first event.
    last: watch::Sender<u64>,
}

/// How events are kept on the disk.
#[derive(Debug, Default)]
struct Kept {
    keeper: Option<LogKeeper>,
    /// The directory of the log, if there is one.
    directory: Option<PathBuf>,
    /// The last event of earlier daemons.
    last_of_others: u64,
}

impl Default for EventLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl EventLog {
    /// Creates an empty log.
    pub fn new() -> Self {
        Self {
            records: Mutex::default(),
            units: Mutex::default(),
            kept: Mutex::default(),
            last: watch::Sender::new(0),
        }
    }

    /// Adds an event with the next sequence number and wakes the followers. If the log is full, drops the oldest event of the largest group.
    pub fn push(&self, record: EventRecord) {
        lock(&self.units).add(&record);
        let mut records = lock(&self.records);
        let mut last = *self.last.borrow();
        let kept = lock(&self.kept);
        if let Some(keeper) = &kept.keeper {
            last = last.max(keeper.last_sequence());
        }
        let sequence = last + 1;
        let record = EventRecord { sequence, ..record };
        if let Some(keeper) = &kept.keeper {
            keeper.keep(record.clone());
        }
        records.push_back(Arc::new(record));
        if records.len() > MOST_EVENTS {
            let displaced = displaced(&records);
            records.remove(displaced);
        }
        self.last.send_replace(sequence);
    }

    /// Returns the first `limit` events after `sequence`, oldest first.
    pub fn since(&self, sequence: u64, limit: usize) -> Vec<EventRecord> {
        let records = lock(&self.records);
        let known = sequence <= *self.last.borrow();
        let after = if known { sequence } else { 0 };
        let newer = records.iter().filter(|record| record.sequence > after);
        let newer = newer.take(limit).map(|record| EventRecord::clone(record));
        newer.collect()
    }

    /// Returns all events in memory.
    pub(crate) fn held(&self) -> Vec<Arc<EventRecord>> {
        lock(&self.records).iter().cloned().collect()
    }

    /// Returns where frames go that enforcement would cut, since this daemon started.
    pub fn audited(&self) -> Vec<AuditedDestination> {
        let begin = lock(&self.kept).last_of_others;
        let records = lock(&self.records);
        let own = records.iter().filter(|record| record.sequence > begin);
        AuditedDestination::of(own.map(AsRef::as_ref))
    }

    /// Returns the denials by unit since the start.
    pub fn unit_denials(&self) -> Vec<UnitCount> {
        lock(&self.units).counts()
    }

    /// Returns the last assigned sequence number; 0 before the first event.
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Waits until there may be an event after `sequence`.
    pub async fn wait(&self, sequence: u64) {
        let mut last = self.last.subscribe();
        let found = last.wait_for(|last| *last != 0 && *last != sequence).await;
        // The only error is that the sender is dropped, but `self` owns it.
        drop(found);
    }

    /// Keeps events below the state directory as the configuration wants it, from now on; returns `false` if that is to be tried again. The
    /// first time, continues the log of earlier daemons.
    pub(crate) fn keep_in(&self, state: &Path, config: &Log) -> bool {
        let mut kept = lock(&self.kept);
        kept.directory = (config.size > 0).then(|| directory(state));
        if let Some(keeper) = &kept.keeper {
            return keeper.configure(state, config);
        }
        match LogKeeper::start(state, config) {
            Ok((keeper, remembered)) => {
                kept.keeper = Some(keeper);
                drop(kept);
                self.remember(remembered);
                true
            }
            Err(error) => {
                tracing::warn!("events are in the journal only: no thread for them: {error}");
                false
            }
        }
    }

    fn remember(&self, remembered: Remembered) {
        let mut records = lock(&self.records);
        if *self.last.borrow() == 0 {
            lock(&self.kept).last_of_others = remembered.last_sequence;
            *records = remembered.events.into_iter().map(Arc::new).collect();
            self.last.send_replace(remembered.last_sequence);
        }
    }

    /// Writes what is left of the events to the disk, and keeps no more.
    pub(crate) fn close(&self) {
        let keeper = lock(&self.kept).keeper.take();
        if let Some(keeper) = keeper {
            keeper.close();
        }
    }

    /// Returns what prevents events from being kept.
    pub(super) fn failures(&self) -> LogFailures {
        let kept = lock(&self.kept);
        let keeper = kept.keeper.as_ref();
        keeper.map(LogKeeper::failures).unwrap_or_default()
    }

    /// Returns the directory of the log on the disk, if there is one.
    pub(crate) fn directory(&self) -> Option<PathBuf> {
        lock(&self.kept).directory.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the index of the record to drop: the oldest one of the largest group within the largest outermost group.
fn displaced(records: &VecDeque<Arc<EventRecord>>) -> usize {
    let records = || records.iter().map(AsRef::as_ref);
    let outer = largest(records().map(EventGroup::of));
    let of_outer = |record: &&EventRecord| Some(EventGroup::of(record)) == outer;
    let inner = largest(records().filter(of_outer).map(EventGroup::within));
    let is_candidate =
        |record: &EventRecord| of_outer(&record) && Some(EventGroup::within(record)) == inner;
    records().position(is_candidate).unwrap_or(0)
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
