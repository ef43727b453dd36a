//! What the thread and its owner share.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::core::EventRecord;

/// Called with what prevents events from being taken, and with `None` when nothing does any more.
pub(super) type Report = Box<dyn Fn(Option<String>) + Send>;

/// What the thread and its owner share.
pub(super) struct Shared {
    /// Wakes a thread that waits before it tries again.
    pub(super) ended: Notify,
    /// Denials and notes that the collector lacks, and that no message named.
    lacking: AtomicU64,
    /// `None` once a successor reports for itself.
    report: Mutex<Option<Report>>,
}

impl Shared {
    pub(super) fn new(report: Report) -> Self {
        Self {
            ended: Notify::new(),
            lacking: AtomicU64::new(0),
            report: Mutex::new(Some(report)),
        }
    }

    /// Counts events that the collector will not get.
    pub(super) fn lose<'a>(&self, events: impl IntoIterator<Item = &'a EventRecord>) {
        for event in events {
            let count = event.duplicates.saturating_add(1);
            self.lacking.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Logs how many events the collector lacks.
    pub(super) fn log_losses(&self, collector: impl Display) {
        let lacking = self.lacking.swap(0, Ordering::Relaxed);
        if lacking > 0 {
            tracing::warn!(
                "{collector}: it lacks {lacking} denials and changes; they are in the journal"
            );
        }
    }

    pub(super) fn report(&self, failure: Option<String>) {
        if let Some(report) = &*self.reporter() {
            report(failure);
        }
    }

    /// Reports nothing from now on.
    pub(super) fn silence(&self) {
        *self.reporter() = None;
    }

    fn reporter(&self) -> MutexGuard<'_, Option<Report>> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn lacking(&self) -> u64 {
        self.lacking.load(Ordering::Relaxed)
    }
}
