//! State that the control socket serves, without access to the daemon itself.

use std::sync::Arc;

use tokio::sync::watch;

use super::EventLog;
use super::clocks::Clocks;
use crate::bpf::{LinkReader, Maps, Pins};
use crate::core::{Counters, Snapshot, Status};
use crate::sys::KernelError;

/// The state after the last event, the event log, and the counters of the programs.
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

    /// Returns the current state.
    pub fn status(&self) -> Status {
        let snapshot = self.snapshot.borrow().clone();
        let attached = self.links.borrow().attached();
        Status {
            audited: self.events.audited(),
            unit_denials: self.events.unit_denials(),
            ..snapshot.at(self.clocks.now(), self.counters.read(), &attached)
        }
    }

    /// Returns the event log.
    pub fn events(&self) -> Arc<EventLog> {
        self.events.clone()
    }
}

/// Reads the counters through a separate descriptor.
pub(super) struct CounterReader(Maps);

impl CounterReader {
    /// Opens the pinned counters.
    ///
    /// # Errors
    /// If they are not pinned.
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
