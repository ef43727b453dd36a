//! Keeps events on the disk and sends them to syslog, in a thread of its own: a slow disk does not delay the daemon.

mod disk;
mod shared;
mod writer;

use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

pub(super) use self::disk::Remembered;
pub(super) use self::shared::LogFailures;
use self::shared::{Shared, lock};
use self::writer::{Message, Writer};
use crate::config::Log;
use crate::core::EventRecord;

/// The most events that wait for the disk.
const MOST_WAITING: usize = 1024;
/// The longest wait for the disk at the end. systemd kills the daemon later than that.
const END: Duration = Duration::from_secs(5);

/// The thread that keeps events.
#[derive(Debug)]
pub(super) struct LogKeeper {
    sender: SyncSender<Message>,
    thread: JoinHandle<()>,
    shared: Arc<Mutex<Shared>>,
}

impl LogKeeper {
    /// Continues the log below the state directory as the configuration wants it, and returns what earlier runs left.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub(super) fn start(state: &Path, config: &Log) -> std::io::Result<(Self, Remembered)> {
        let (sender, receiver) = sync_channel(MOST_WAITING);
        let shared = Arc::new(Mutex::new(Shared::default()));
        let mut writer = Writer::new(receiver, Arc::clone(&shared));
        let remembered = writer.start(state, config);
        let thread = Builder::new().name("event-log".to_owned());
        let thread = thread.spawn(move || writer.run())?;
        let keeper = Self {
            sender,
            thread,
            shared,
        };
        Ok((keeper, remembered))
    }

    /// Keeps an event, without waiting.
    pub(super) fn keep(&self, event: EventRecord) {
        let count = event.duplicates.saturating_add(1);
        self.send(Message::Event(Box::new(event)), count);
    }

    /// Goes on as the configuration wants it, without waiting; returns whether the thread will.
    pub(super) fn configure(&self, state: &Path, config: &Log) -> bool {
        let wanted = Box::new((state.to_owned(), config.clone()));
        self.send(Message::Configure(wanted), 0)
    }

    fn send(&self, message: Message, count: u64) -> bool {
        match self.sender.try_send(message) {
            Ok(()) => return true,
            Err(TrySendError::Full(_)) => {
                let mut shared = lock(&self.shared);
                shared.dropped = shared.dropped.saturating_add(count);
            }
            Err(TrySendError::Disconnected(_)) => {
                lock(&self.shared).failures.disk = Some("its thread ended".to_owned());
            }
        }
        false
    }

    /// Returns what prevents events from being kept.
    pub(super) fn failures(&self) -> LogFailures {
        lock(&self.shared).failures.clone()
    }

    /// Returns the number that the next event must exceed.
    pub(super) fn last_sequence(&self) -> u64 {
        lock(&self.shared).last_sequence
    }

    /// Writes what is left, waits a few seconds until it is on the disk, and ends the thread.
    pub(super) fn close(self) {
        drop(self.sender);
        let end = Instant::now() + END;
        while !self.thread.is_finished() {
            if Instant::now() >= end {
                return tracing::warn!("the last events are not on the disk yet: it is slow");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.thread.join().is_err() {
            tracing::warn!("the thread of the event log panicked");
        }
    }
}

#[cfg(test)]
mod tests;
