//! What the control socket serves: it can neither borrow nor change anything of the daemon.

use std::sync::Arc;

use tokio::sync::watch;

use super::EventLog;
use super::clocks::Clocks;
use crate::bpf::{LinkReader, Maps, Pins};
use crate::core::{Counters, Snapshot, Status};
use crate::sys::KernelError;

/// The state after the last event, the events, and what the programs counted.
pub struct Published {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    events: Arc<EventLog>,
    counters: CounterReader,
    links: watch::Receiver<Arc<LinkReader>>,
    clocks: Clocks,
}

impl Published {
    pub(super) fn new(
        snapshot: watch::Receiver<Arc<Snapshot>>,
        events: Arc<EventLog>,
        counters: CounterReader,
        links: watch::Receiver<Arc<LinkReader>>,
        clocks: Clocks,
    ) -> Self {
        Self {
            snapshot,
            events,
            counters,
            links,
            clocks,
        }
    }

    /// The state at this moment.
    pub fn status(&self) -> Status {
        let snapshot = self.snapshot.borrow().clone();
        let attached = self.links.borrow().attached();
        snapshot.at(self.clocks.now(), self.counters.read(), &attached)
    }

    /// The events.
    pub fn events(&self) -> Arc<EventLog> {
        self.events.clone()
    }
}

/// Reads the counters by a descriptor of its own.
pub(super) struct CounterReader(Maps);

impl CounterReader {
    /// Opens the pinned counters.
    ///
    /// # Errors
    /// Where they are not pinned.
    pub(super) fn open(pins: &Pins) -> Result<Self, KernelError> {
        Maps::open(pins).map(Self)
    }

    fn read(&self) -> Counters {
        self.0.counters().unwrap_or_else(|error| {
            tracing::warn!("{error}");
            Counters::default()
        })
    }
}
