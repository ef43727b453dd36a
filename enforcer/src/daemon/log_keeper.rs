//! Keeps events on the disk and sends them to syslog, in a thread of its own: a slow disk does not delay the daemon.

mod disk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use jiff::Timestamp;

use self::disk::Disk;
pub(super) use self::disk::Remembered;
use crate::config::Log;
use crate::core::EventRecord;
use crate::log_files::{Aggregator, Reader, Syslog, directory};

/// The most events that wait for the disk.
const MOST_WAITING: usize = 1024;

/// What prevents events from being kept; `None` while nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogFailures {
    /// The log on the disk.
    pub(super) disk: Option<String>,
    /// The syslog socket.
    pub(super) syslog: Option<String>,
}

/// The thread, and what it keeps events of.
#[derive(Debug)]
pub(super) struct LogKeeper {
    sender: SyncSender<EventRecord>,
    thread: JoinHandle<()>,
    shared: Arc<Mutex<Shared>>,
    /// Where the log is, if there is one.
    directory: Option<PathBuf>,
}

/// What the thread and the daemon say to each other.
#[derive(Debug, Default)]
struct Shared {
    failures: LogFailures,
    /// Events that found no room to wait.
    dropped: u64,
}

impl LogKeeper {
    /// Continues the log below the state directory; `None` if the configuration wants neither a log nor syslog.
    pub(super) fn start(state: &Path, config: &Log) -> (Option<Self>, Remembered) {
        let mut disk = (config.size > 0).then(|| Disk::new(directory(state), config));
        let remembered = disk.as_mut().map(Disk::remember).unwrap_or_default();
        let syslog = config.syslog.as_ref();
        let syslog = syslog.map(|(path, format)| (path.clone(), Syslog::new(path, *format)));
        if disk.is_none() && syslog.is_none() {
            return (None, remembered);
        }
        let (sender, receiver) = sync_channel(MOST_WAITING);
        let directory = disk.as_ref().map(|disk| disk.directory.clone());
        let shared = Arc::new(Mutex::new(Shared::default()));
        lock(&shared).failures.disk = disk.as_ref().and_then(|disk| disk.failure.clone());
        let writer = Writer {
            receiver,
            started: Instant::now(),
            aggregator: Aggregator::default(),
            disk,
            syslog,
            shared: Arc::clone(&shared),
        };
        let thread = Builder::new().name("event-log".to_owned());
        let keeper = match thread.spawn(move || writer.run()) {
            Ok(thread) => Some(Self {
                sender,
                thread,
                shared,
                directory,
            }),
            Err(error) => {
                tracing::warn!("events are in the journal only: no thread for them: {error}");
                None
            }
        };
        (keeper, remembered)
    }

    /// Keeps an event, without waiting.
    pub(super) fn keep(&self, event: EventRecord) {
        match self.sender.try_send(event) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => lock(&self.shared).dropped += 1,
            Err(TrySendError::Disconnected(_)) => {
                lock(&self.shared).failures.disk = Some("its thread ended".to_owned());
            }
        }
    }

    /// Reads the log from a time on; `None` if there is no log.
    ///
    /// # Errors
    /// If its directory cannot be read.
    pub(super) fn read(&self, from: Timestamp) -> io::Result<Option<Reader>> {
        let directory = self.directory.as_ref();
        directory.map(|path| Reader::open(path, from)).transpose()
    }

    /// Returns what prevents events from being kept.
    pub(super) fn failures(&self) -> LogFailures {
        lock(&self.shared).failures.clone()
    }

    /// Writes what is left, waits until it is on the disk, and ends the thread.
    pub(super) fn close(self) {
        drop(self.sender);
        if self.thread.join().is_err() {
            tracing::warn!("the thread of the event log panicked");
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Writer {
    receiver: Receiver<EventRecord>,
    started: Instant,
    aggregator: Aggregator,
    disk: Option<Disk>,
    syslog: Option<(PathBuf, Syslog)>,
    shared: Arc<Mutex<Shared>>,
}

impl Writer {
    fn run(mut self) {
        loop {
            let received = match self.due_at() {
                Some(at) => {
                    let wait = at.saturating_duration_since(Instant::now());
                    self.receiver.recv_timeout(wait)
                }
                None => self
                    .receiver
                    .recv()
                    .map_err(|_ended| RecvTimeoutError::Disconnected),
            };
            let now = self.started.elapsed();
            match received {
                Ok(event) => {
                    if let Some(event) = self.aggregator.admit(event, now) {
                        self.write(&event);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            for event in self.aggregator.due(now) {
                self.write(&event);
            }
            if let Some(disk) = &mut self.disk {
                disk.sync_if_due();
            }
            self.report();
        }
        for event in self.aggregator.rest() {
            self.write(&event);
        }
        if let Some(disk) = &mut self.disk {
            disk.close();
        }
    }

    fn due_at(&self) -> Option<Instant> {
        let aggregator = self.aggregator.due_at().map(|at| self.started + at);
        let sync = self.disk.as_ref().and_then(|disk| disk.sync_at);
        [aggregator, sync].into_iter().flatten().min()
    }

    fn write(&mut self, event: &EventRecord) {
        if let Some(disk) = &mut self.disk {
            disk.write(event);
        }
        if let Some((path, syslog)) = &mut self.syslog {
            let sent = syslog.send(event);
            lock(&self.shared).failures.syslog = sent.err().map(|error| {
                format!(
                    "{}: {error}; events since then are not there",
                    path.display()
                )
            });
        }
    }

    fn report(&mut self) {
        let mut shared = lock(&self.shared);
        let dropped = std::mem::take(&mut shared.dropped);
        if let Some(disk) = &mut self.disk {
            disk.unwritten = disk.unwritten.saturating_add(dropped);
            shared.failures.disk.clone_from(&disk.failure);
        }
    }
}

#[cfg(test)]
mod tests;
