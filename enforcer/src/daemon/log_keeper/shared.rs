//! What the thread of the event log and the daemon share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What prevents events from being kept; `None` while nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::daemon) struct LogFailures {
    /// The log on the disk.
    pub(in crate::daemon) disk: Option<String>,
    /// The syslog socket.
    pub(in crate::daemon) syslog: Option<String>,
    /// The collector.
    pub(in crate::daemon) otlp: Option<String>,
}

/// What the thread and the daemon say to each other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) failures: LogFailures,
    /// Denials and notes that found no room to wait.
    pub(super) dropped: u64,
    /// The highest number on the disk when the log was opened: later events have higher ones.
    pub(super) last_sequence: u64,
}

pub(super) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
