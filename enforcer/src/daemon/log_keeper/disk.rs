//! The event log on the disk, as the thread writes it.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::config::Log;
use crate::core::{EventKind, EventRecord};
use crate::log_files::{Appender, Reader};

/// Events of earlier runs that a daemon reads again.
const MOST_REMEMBERED: usize = 256;
/// Time between two attempts to open a log that failed.
const RETRY: Duration = Duration::from_secs(60);

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
    pub(super) directory: PathBuf,
    size: u64,
    flush: Duration,
    log: Option<Appender>,
    /// When an unsynced event is to be synced.
    pub(super) sync_at: Option<Instant>,
    retry_at: Instant,
    pub(super) failure: Option<String>,
    /// Events that could not be written.
    pub(super) unwritten: u64,
}

impl Disk {
    pub(super) fn new(directory: PathBuf, config: &Log) -> Self {
        Self {
            directory,
            size: config.size,
            flush: config.flush,
            log: None,
            sync_at: None,
            retry_at: Instant::now(),
            failure: None,
            unwritten: 0,
        }
    }

    /// Opens the log, and returns what earlier runs left.
    pub(super) fn remember(&mut self) -> Remembered {
        let last_sequence = self.open();
        let mut events = last_events(&self.directory).unwrap_or_else(|error| {
            self.fail("cannot be read", &error);
            Vec::new()
        });
        events.sort_by_key(|event| event.sequence);
        events.retain(|event| event.sequence <= last_sequence);
        Remembered {
            last_sequence,
            events,
        }
    }

    fn open(&mut self) -> u64 {
        match Appender::open(&self.directory, self.size) {
            Ok(opened) => {
                tracing::info!(
                    "event log: continues after event {}, SHA-256 of its last line {}",
                    opened.last_sequence,
                    opened.log.head(),
                );
                if opened.incomplete > 0 {
                    tracing::warn!(
                        "event log: {} bytes of an incomplete last line were removed, as the host stopped while it was written",
                        opened.incomplete
                    );
                }
                self.log = Some(opened.log);
                opened.last_sequence
            }
            Err(error) => {
                self.fail("cannot be opened", &error);
                self.retry_at = Instant::now() + RETRY;
                0
            }
        }
    }

    pub(super) fn write(&mut self, event: &EventRecord) {
        if self.log.is_none() && self.retry_at <= Instant::now() {
            self.open();
        }
        if self.unwritten > 0 && self.append(&gap(self.unwritten, event)) {
            self.unwritten = 0;
        }
        if self.unwritten == 0 && self.append(event) {
            self.failure = None;
            let now = Instant::now();
            self.sync_at.get_or_insert_with(|| now + self.flush);
        } else {
            self.unwritten = self.unwritten.saturating_add(1);
        }
    }

    fn append(&mut self, event: &EventRecord) -> bool {
        let Some(log) = &mut self.log else {
            return false;
        };
        match log.append(event) {
            Ok(()) => true,
            Err(error) => {
                self.fail("cannot be written", &error);
                false
            }
        }
    }

    pub(super) fn sync_if_due(&mut self) {
        if self.sync_at.is_some_and(|at| at <= Instant::now()) {
            self.sync();
        }
    }

    fn sync(&mut self) {
        self.sync_at = None;
        let synced = self.log.as_mut().map_or(Ok(()), Appender::sync);
        if let Err(error) = synced {
            self.fail("cannot be flushed", &error);
        }
    }

    pub(super) fn close(&mut self) {
        self.sync();
        if let Some(log) = &self.log {
            let head = log.head();
            tracing::info!("event log: closed, SHA-256 of its last line {head}");
        }
    }

    fn fail(&mut self, what: &str, error: &io::Error) {
        self.failure = Some(format!("{} {what}: {error}", self.directory.display()));
    }
}

/// Returns the last events of the log.
fn last_events(directory: &Path) -> io::Result<Vec<EventRecord>> {
    let mut events = VecDeque::new();
    for event in Reader::open_last(directory)? {
        if events.len() == MOST_REMEMBERED {
            events.pop_front();
        }
        events.push_back(event?);
    }
    Ok(events.into())
}

/// Returns a note in place of events that are in the journal only.
fn gap(unwritten: u64, next: &EventRecord) -> EventRecord {
    let message = format!(
        "{unwritten} events before this one could not be written here: they are in the journal"
    );
    EventRecord {
        sequence: next.sequence,
        ..EventRecord::note(EventKind::EventLog, message, Timestamp::now())
    }
}
