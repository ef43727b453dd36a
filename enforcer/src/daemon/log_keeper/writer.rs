//! The thread of the event log.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::disk::{Disk, Remembered};
use super::shared::{Shared, lock};
use crate::config::{LocalUrl, Log};
use crate::core::EventRecord;
use crate::log_files::{Aggregator, Entry, Otlp, Syslog, directory};

/// What the daemon sends to the thread. Small, as the queue has room for all at any time.
#[derive(Debug)]
pub(super) enum Message {
    Event(Box<EventRecord>),
    /// The state directory and the log that the configuration wants.
    Configure(Box<(PathBuf, Log)>),
}

pub(super) struct Writer {
    receiver: Receiver<Message>,
    shared: Arc<Mutex<Shared>>,
    started: Instant,
    aggregator: Aggregator,
    disk: Option<Disk>,
    syslog: Option<(PathBuf, Syslog)>,
    otlp: Option<Otlp>,
}

impl Writer {
    pub(super) fn new(receiver: Receiver<Message>, shared: Arc<Mutex<Shared>>) -> Self {
        Self {
            receiver,
            shared,
            started: Instant::now(),
            aggregator: Aggregator::default(),
            disk: None,
            syslog: None,
            otlp: None,
        }
    }

    /// Opens the log and the ways to other receivers, and returns what earlier runs left.
    pub(super) fn start(&mut self, state: &Path, config: &Log) -> Remembered {
        let mut disk = (config.size > 0).then(|| Disk::new(directory(state), config));
        let remembered = disk.as_mut().map(Disk::remember).unwrap_or_default();
        self.disk = disk;
        let syslog = config.syslog.as_ref();
        self.syslog = syslog.map(|(path, format)| (path.clone(), Syslog::new(path, *format)));
        if self.otlp.as_ref().map(Otlp::url) != config.otlp.as_ref() {
            self.otlp = None;
            lock(&self.shared).failures.otlp = None;
            self.otlp = config.otlp.as_ref().and_then(|url| self.start_otlp(url));
        }
        self.report();
        remembered
    }

    fn start_otlp(&self, url: &LocalUrl) -> Option<Otlp> {
        let shared = Arc::clone(&self.shared);
        let started = Otlp::start(url, move |failure| lock(&shared).failures.otlp = failure);
        let failed = |error| lock(&self.shared).failures.otlp = Some(format!("{url}: {error}"));
        started.map_err(failed).ok()
    }

    pub(super) fn run(mut self) {
        loop {
            let received = match self.due_at() {
                Some(at) => {
                    let wait = at.saturating_duration_since(Instant::now());
                    self.receiver.recv_timeout(wait)
                }
                None => {
                    let received = self.receiver.recv();
                    received.map_err(|_ended| RecvTimeoutError::Disconnected)
                }
            };
            match received {
                Ok(Message::Event(event)) => self.take(*event),
                Ok(Message::Configure(wanted)) => self.configure(&wanted.0, &wanted.1),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            for entry in self.aggregator.due(self.started.elapsed()) {
                self.write(&entry);
            }
            if let Some(disk) = &mut self.disk {
                disk.do_what_is_due();
            }
            self.report();
        }
        self.close();
        if let Some(otlp) = self.otlp.take() {
            otlp.finish();
        }
    }

    fn take(&mut self, event: EventRecord) {
        let now = self.started.elapsed();
        if let Some(event) = self.aggregator.admit(event, now) {
            self.write(&Entry::single(event));
        }
    }

    fn configure(&mut self, state: &Path, config: &Log) {
        let lacking = self.close();
        lock(&self.shared).failures.syslog = None;
        self.start(state, config);
        if let Some(disk) = &mut self.disk {
            disk.missed(lacking);
        }
    }

    /// Writes what is left, and returns how many denials and notes the log lacks.
    fn close(&mut self) -> u64 {
        for entry in self.aggregator.rest() {
            self.write(&entry);
        }
        self.report();
        // Its lock ends before the log is opened again.
        let Some(mut disk) = self.disk.take() else {
            return 0;
        };
        disk.close();
        disk.lacking()
    }

    fn due_at(&self) -> Option<Instant> {
        let sum = self.aggregator.due_at().map(|at| self.started + at);
        let disk = self.disk.as_ref().and_then(Disk::due_at);
        [sum, disk].into_iter().flatten().min()
    }

    fn write(&mut self, entry: &Entry) {
        if let Some(disk) = &mut self.disk {
            disk.write(entry);
        }
        if let Some(otlp) = &self.otlp {
            otlp.send(&entry.event);
        }
        if let Some((path, syslog)) = &mut self.syslog {
            let sent = syslog.send(&entry.event);
            lock(&self.shared).failures.syslog = sent.err().map(|error| {
                let path = path.display();
                format!("{path}: {error}; what it misses is in the journal and in the event log")
            });
        }
    }

    /// Passes failures on to the daemon, and counts what found no room.
    fn report(&mut self) {
        let mut shared = lock(&self.shared);
        let dropped = std::mem::take(&mut shared.dropped);
        match &mut self.disk {
            Some(disk) => {
                disk.missed(dropped);
                shared.failures.disk = disk.failure();
                shared.last_sequence = shared.last_sequence.max(disk.last_sequence());
            }
            None => shared.failures.disk = None,
        }
    }
}
