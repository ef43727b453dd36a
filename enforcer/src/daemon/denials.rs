//! What the daemon reports of the kernel's denials.

use std::net::IpAddr;
use std::time::Duration;

use enforcer_common::layout::{DEDUP_WINDOW, DedupEntry, DedupKey, MAX_RECENT, window};
use enforcer_common::{Event, Reason, Record};
use tokio::time::Instant;

use super::journal;
use super::run::Daemon;
use crate::control::EventRecord;
use crate::policy::name_text;
use crate::sys::boot_clock;

/// Reported denials that are remembered until their window is over; the kernel keeps no more.
const MOST_REPORTED: usize = MAX_RECENT as usize;
/// Time between the end of a window and its sums: programs that began before the end are done by then.
const SETTLED: Duration = Duration::from_secs(1);

/// A denial, and the server name that it was for.
pub(super) type Denial = (Event, Option<String>);

/// Whether an address may be one that an allowed name has lately, and that nobody told.
fn is_a_stale_address(event: &Event) -> bool {
    let reasons = [Reason::Registry, Reason::ServerNameElsewhere];
    reasons.iter().any(|reason| event.reason == *reason as u8)
}

impl Daemon {
    /// Reports these denials, takes over the lessons among them, and sums up their windows once these are over.
    pub(super) fn report(&mut self, records: &[Record]) {
        let mut events = Vec::new();
        let mut lessons = Vec::new();
        for record in records {
            match record {
                Record::Denial(event) => events.push((*event, None)),
                Record::Named(named) => events.push((named.event, Some(name_text(&named.name)))),
                Record::DnsObservation(lesson) => lessons.push((*lesson, None)),
                Record::NamedDnsObservation(named) => {
                    lessons.push((named.observation, Some(name_text(&named.name))));
                }
            }
        }
        let mut engine = self.engine.borrow_mut();
        if events.iter().any(|(event, _)| is_a_stale_address(event)) {
            engine.registry_refused();
        }
        if !lessons.is_empty() {
            engine.learn(&lessons);
        }
        drop(engine);
        for denial in events {
            self.report_first(denial);
        }
    }

    /// Reports the first denial of its key. Where its window was summed up already, or cannot be remembered, the sum has it.
    fn report_first(&mut self, denial: Denial) {
        let (event, server_name) = &denial;
        if event.window < self.summed_up || self.reported.len() >= MOST_REPORTED {
            return;
        }
        let record = self.describe(event, server_name.as_deref());
        self.publish(record);
        self.reported.insert(event.dedup_key(), denial);
        self.sum_up_at.get_or_insert_with(end_of_window);
    }

    /// Reports what the kernel only counted in windows that are over.
    pub(super) fn sum_up(&mut self) {
        let now = window(boot_clock());
        let taken = self.engine.borrow_mut().kernel.maps.take_counted(now);
        self.summed_up = now;
        let counted = match taken {
            Ok(counted) => counted,
            Err(error) => {
                tracing::warn!("{error}");
                self.sum_up_at = Some(end_of_window());
                return;
            }
        };
        for (key, fold) in &counted.deduplicated {
            self.sum_up_fold(key, fold);
        }
        for (key, denials) in &counted.suppressed {
            let end = end_of(key.window);
            let record = self.identify.sum_up(key, *denials, end);
            self.publish(record);
        }
        self.reported.retain(|key, _| key.window >= now);
        self.sum_up_at = counted.is_more.then(end_of_window);
    }

    fn sum_up_fold(&mut self, key: &DedupKey, fold: &DedupEntry) {
        let reported = self.reported.remove(key);
        let untold = fold.denials - u64::from(reported.is_some()).min(fold.denials);
        if untold == 0 {
            return;
        }
        let time = end_of(key.window);
        let record = match reported {
            Some((event, server_name)) => {
                self.describe(&Event { time, ..event }, server_name.as_deref())
            }
            // Its record was lost: user and command are not known.
            None => EventRecord {
                uid: None,
                command: None,
                ..self.describe(&event_of(key, fold, time), None)
            },
        };
        self.publish(EventRecord {
            folded: untold - 1,
            ..record
        });
    }

    fn describe(&mut self, event: &Event, server_name: Option<&str>) -> EventRecord {
        let engine = self.engine.borrow();
        let names = |address: IpAddr| engine.names_of(address);
        self.identify.describe(event, server_name, names)
    }

    /// Logs an event, and holds it for `events`.
    fn publish(&self, record: EventRecord) {
        journal::log(&record);
        self.log.push(record);
    }
}

/// The last moment of a window, in nanoseconds since boot.
fn end_of(window: u32) -> u64 {
    (u64::from(window) + 1) * DEDUP_WINDOW - 1
}

/// When the window at hand can be summed up.
fn end_of_window() -> Instant {
    let now = boot_clock();
    let left = end_of(window(now)).saturating_sub(now);
    Instant::now() + Duration::from_nanos(left) + SETTLED
}

/// What is known of a denial whose record was lost.
fn event_of(key: &DedupKey, fold: &DedupEntry, time: u64) -> Event {
    Event {
        time,
        cgroup: key.cgroup,
        destination: key.destination,
        pid: key.pid,
        window: key.window,
        port: key.port,
        protocol: key.protocol,
        hook: u8::try_from(fold.hook).unwrap_or(u8::MAX),
        reason: key.reason,
        audited: u8::from(key.audited != 0),
        name: key.name,
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_where_the_next_one_begins() {
        assert_eq!(window(end_of(7)), 7);
        assert_eq!(window(end_of(7) + 1), 8);
    }

    #[test]
    fn what_is_known_of_a_lost_record_counts_under_the_same_key() {
        let key = DedupKey {
            cgroup: 1,
            destination: [2; 16],
            pid: 3,
            name: 4,
            window: 5,
            port: 6,
            protocol: 17,
            reason: Reason::Storage as u8,
            audited: 1,
            reserved: 0,
        };
        assert_eq!(event_of(&key, &DedupEntry::default(), 0).dedup_key(), key);
    }
}
