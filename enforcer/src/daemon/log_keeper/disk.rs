//! The event log on the disk, as the thread writes it.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::config::Log;
use crate::core::{EventKind, EventRecord};
use crate::log_files::{Appender, Entry, Reader};

/// Events of earlier runs that a daemon reads again.
const MOST_REMEMBERED: usize = 256;
/// Length of what is read of each file for them, in bytes: a start does not wait for a whole log.
const REMEMBERED: u64 = 512 << 10;
/// Time between two attempts to open a log that failed.
const RETRY: Duration = Duration::from_secs(10);

/// The log of earlier runs.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Remembered {
    /// Highest sequence number; 0 if there is none.
    pub(in crate::daemon) last_sequence: u64,
    /// The last events, by sequence number.
    pub(in crate::daemon) events: Vec<EventRecord>,
}

/// The log on the disk, also while it cannot be written.
pub(super) struct Disk {
    directory: PathBuf,
    size: u64,
    flush: Duration,
    log: Option<Appender>,
    last_sequence: u64,
    /// When an unsynced event is to be synced.
    sync_at: Option<Instant>,
    /// When a log that failed is to be opened again.
    retry_at: Option<Instant>,
    failure: Option<String>,
    /// Denials and notes that were not written.
    missed: u64,
    /// Denials and notes that may not be on the disk yet.
    unsynced: u64,
}

impl Disk {
    pub(super) fn new(directory: PathBuf, config: &Log) -> Self {
        Self {
            directory,
            size: config.size,
            flush: config.flush,
            log: None,
            last_sequence: 0,
            sync_at: None,
            retry_at: None,
            failure: None,
            missed: 0,
            unsynced: 0,
        }
    }

    /// Opens the log, and returns what earlier runs left.
    pub(super) fn remember(&mut self) -> Remembered {
        self.open();
        let mut events = last_events(&self.directory).unwrap_or_else(|error| {
            tracing::warn!(
                "{} cannot be read: {error}; `events` begins with this run",
                self.directory.display()
            );
            Vec::new()
        });
        events.sort_by_key(|event| event.sequence);
        events.retain(|event| event.sequence <= self.last_sequence);
        Remembered {
            last_sequence: self.last_sequence,
            events,
        }
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.failure.clone()
    }

    pub(super) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Returns how many denials and notes the log lacks without saying so.
    pub(super) fn lacking(&self) -> u64 {
        self.missed
    }

    /// Counts denials and notes that were not given to [`Disk::write`].
    pub(super) fn missed(&mut self, count: u64) {
        self.missed = self.missed.saturating_add(count);
    }

    pub(super) fn due_at(&self) -> Option<Instant> {
        [self.sync_at, self.retry_at].into_iter().flatten().min()
    }

    pub(super) fn do_what_is_due(&mut self) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if is_due(self.retry_at) {
            self.open();
            self.write_gap();
        }
        if is_due(self.sync_at) {
            self.sync();
        }
    }

    pub(super) fn write(&mut self, entry: &Entry) {
        self.write_gap();
        if self.missed > 0 || !self.append(entry) {
            self.missed(entry.event.duplicates.saturating_add(1));
        }
    }

    pub(super) fn close(&mut self) {
        self.write_gap();
        self.sync();
        match &self.log {
            Some(log) => {
                let head = log.head();
                tracing::info!("event log: closed, SHA-256 of its last line {head}");
            }
            None => tracing::warn!(
                "event log: {} events since it failed are in the journal only",
                self.missed
            ),
        }
    }

    fn open(&mut self) {
        self.retry_at = None;
        match Appender::open(&self.directory, self.size) {
            Ok(opened) => {
                tracing::info!(
                    "event log: continues after event {}, SHA-256 of its last line {}",
                    opened.last_sequence,
                    opened.log.head(),
                );
                if opened.incomplete > 0 {
                    tracing::warn!(
                        "event log: {} bytes of an incomplete last line were removed: it could not be written to its end",
                        opened.incomplete
                    );
                }
                self.last_sequence = self.last_sequence.max(opened.last_sequence);
                self.log = Some(opened.log);
                self.failure = None;
            }
            Err(error) => self.fail("cannot be opened", &error),
        }
    }

    /// Says in the log what it lacks.
    fn write_gap(&mut self) {
        if self.missed > 0 && self.log.is_some() {
            let gap = gap(self.missed, self.last_sequence);
            if self.append(&Entry::single(gap)) {
                self.missed = 0;
            }
        }
    }

    fn append(&mut self, entry: &Entry) -> bool {
        let Some(log) = &mut self.log else {
            return false;
        };
        if let Err(error) = log.append(entry) {
            self.fail("cannot be written", &error);
            return false;
        }
        self.last_sequence = self.last_sequence.max(entry.event.sequence);
        let count = entry.event.duplicates.saturating_add(1);
        self.unsynced = self.unsynced.saturating_add(count);
        let now = Instant::now();
        self.sync_at.get_or_insert(now + self.flush);
        true
    }

    fn sync(&mut self) {
        self.sync_at = None;
        let synced = self.log.as_mut().map_or(Ok(()), Appender::sync);
        let unsynced = std::mem::take(&mut self.unsynced);
        if let Err(error) = synced {
            // What the kernel did not write is lost, and it reports that once.
            self.missed(unsynced);
            self.fail("cannot be flushed", &error);
        }
    }

    /// Closes the log until the next attempt.
    fn fail(&mut self, what: &str, error: &io::Error) {
        self.failure = Some(format!("{} {what}: {error}", self.directory.display()));
        self.log = None;
        self.sync_at = None;
        self.retry_at = Some(Instant::now() + RETRY);
    }
}

/// Returns the last events of the log.
fn last_events(directory: &Path) -> io::Result<Vec<EventRecord>> {
    let mut events = VecDeque::new();
    for entry in Reader::open_last(directory, REMEMBERED)? {
        if events.len() == MOST_REMEMBERED {
            events.pop_front();
        }
        events.push_back(entry?.event);
    }
    Ok(events.into())
}

/// Returns a note in place of denials and notes that are in the journal only.
fn gap(missed: u64, sequence: u64) -> EventRecord {
    let message = format!(
        "{missed} denials and changes before this could not be written here: they are in the journal"
    );
    EventRecord {
        sequence,
        ..EventRecord::note(EventKind::EventLog, message, Timestamp::now())
    }
}
