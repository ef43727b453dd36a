//! What the daemon tells of the kernel's denials.

use std::net::IpAddr;
use std::time::Duration;

use enforcer_common::layout::{FOLD_WINDOW, FoldKey, MAX_RECENT};
use enforcer_common::{Event, Reason};
use tokio::time::Instant;

use super::run::Daemon;

/// Denials whose folds are waited for at a time; the kernel keeps no more.
const MOST_FOLDS: usize = MAX_RECENT as usize;

impl Daemon {
    /// Tells these denials, and remembers to tell what the kernel folds after them.
    pub(super) fn report(&mut self, events: &[Event]) {
        // A little after the kernel stops folding, so that all that it folded is told.
        let settled = Instant::now() + Duration::from_nanos(FOLD_WINDOW) + Duration::from_secs(1);
        for event in events {
            self.tell(event);
        }
        if events
            .iter()
            .any(|event| event.reason == Reason::Registry as u8)
        {
            self.engine.borrow_mut().registry_refused();
        }
        let waiting: usize = self.folds.values().map(Vec::len).sum();
        let room = MOST_FOLDS.saturating_sub(waiting);
        let awaited = self.folds.entry(settled).or_default();
        awaited.extend(events.iter().take(room));
    }

    fn tell(&mut self, event: &Event) {
        let engine = self.engine.borrow();
        let record = self
            .identify
            .describe(event, |address: IpAddr| engine.names_of(address));
        tracing::info!(
            reason = record.reason,
            destination = record.destination.map(tracing::field::display),
            port = record.port,
            process = record.command,
            pid = record.pid,
            unit = record.unit,
            folded = record.folded,
            "{}",
            record.verdict,
        );
        self.log.push(record);
    }

    /// Tells the denials that were folded after `event`, if no other event told them.
    pub(super) fn tell_fold(&mut self, event: &Event) {
        let key = FoldKey {
            cgroup: event.cgroup,
            destination: event.destination,
            reason: event.reason.into(),
        };
        let taken = self.engine.borrow_mut().kernel.maps.take_fold(&key);
        match taken {
            Ok(0) => {}
            Ok(folded) => self.tell(&Event {
                folded: u32::try_from(folded - 1).unwrap_or(u32::MAX),
                time: crate::kernel::boot_clock(),
                ..*event
            }),
            Err(error) => tracing::warn!("{error}"),
        }
    }
}
