//! What the daemon tells of the kernel's denials.

use std::net::IpAddr;
use std::time::Duration;

use enforcer_common::layout::{FOLD_WINDOW, MAX_RECENT};
use enforcer_common::{Event, Reason, Record};
use tokio::time::Instant;

use super::run::Daemon;
use crate::policy::name_text;

/// Denials whose folds are waited for at a time; the kernel keeps no more.
const MOST_FOLDS: usize = MAX_RECENT as usize;

/// A denial, and the server name that it was for.
pub(super) type Denial = (Event, Option<String>);

/// Whether an address may be one that an allowed name has lately, and that nobody told.
fn is_a_stale_address(event: &Event) -> bool {
    let reasons = [Reason::Registry, Reason::ServerNameElsewhere];
    reasons.iter().any(|reason| event.reason == *reason as u8)
}

impl Daemon {
    /// Tells these denials, has the lessons among them learned, and remembers to tell what the kernel folds after them.
    pub(super) fn report(&mut self, records: &[Record]) {
        // A little after the kernel stops folding, so that all that it folded is told.
        let settled = Instant::now() + Duration::from_nanos(FOLD_WINDOW) + Duration::from_secs(1);
        let mut events = Vec::new();
        let mut lessons = Vec::new();
        for record in records {
            match record {
                Record::Denial(event) => events.push((*event, None)),
                Record::Named(named) => events.push((named.event, Some(name_text(&named.name)))),
                Record::Lesson(lesson) => lessons.push((*lesson, None)),
                Record::Unlearned(named) => {
                    lessons.push((named.lesson, Some(name_text(&named.name))));
                }
            }
        }
        for (event, server_name) in &events {
            self.tell(event, server_name.as_deref());
        }
        let mut engine = self.engine.borrow_mut();
        if events.iter().any(|(event, _)| is_a_stale_address(event)) {
            engine.registry_refused();
        }
        if !lessons.is_empty() {
            engine.learn(&lessons);
        }
        drop(engine);
        let waiting: usize = self.folds.values().map(Vec::len).sum();
        let room = MOST_FOLDS.saturating_sub(waiting);
        let awaited = self.folds.entry(settled).or_default();
        awaited.extend(events.into_iter().take(room));
    }

    fn tell(&mut self, event: &Event, server_name: Option<&str>) {
        let engine = self.engine.borrow();
        let record = self
            .identify
            .describe(event, server_name, |address: IpAddr| {
                engine.names_of(address)
            });
        tracing::info!(
            reason = record.reason,
            destination = record.destination.map(tracing::field::display),
            port = record.port,
            server_name = record.server_name,
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
    pub(super) fn tell_fold(&mut self, (event, server_name): &Denial) {
        let mut engine = self.engine.borrow_mut();
        let taken = engine.kernel.maps.take_fold(&event.fold_key());
        drop(engine);
        match taken {
            Ok(0) => {}
            Ok(folded) => {
                let folded = Event {
                    folded: u32::try_from(folded - 1).unwrap_or(u32::MAX),
                    time: crate::kernel::boot_clock(),
                    ..*event
                };
                self.tell(&folded, server_name.as_deref());
            }
            Err(error) => tracing::warn!("{error}"),
        }
    }
}
