//! Reports the kernel's denials.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use enforcer_common::layout::{DEDUP_WINDOW, DedupEntry, DedupKey, MAX_RECENT, window};
use enforcer_common::{Event, Reason, Record};
use tokio::time::Instant;

use super::identity::Identify;
use super::shell::Shell;
use crate::core::{self, AlarmKind, Effect, EventRecord};
use crate::policy::name_text;
use crate::sys::boot_clock;

/// Maximum number of reported denials in the current windows; the kernel stores no more.
const MOST_REPORTED: usize = MAX_RECENT as usize;
/// Delay between the end of a window and its sums, so that programs that started before the end have finished.
const SUM_UP_DELAY: Duration = Duration::from_secs(1);

/// The message of the alarm about connections that found no room.
const WITHOUT_ROOM: &str = "new connections without a socket of this host are denied, as too many are open, from their network or in all: \
     `egress-enforcer events` names their devices; `systemctl reload egress-enforcer` ends this alarm";

/// A denial and its server name.
type Denial = (Event, Option<String>);

/// Denials of the windows that have not ended.
pub(super) struct Denials {
    identify: Identify,
    /// Reported denials, until their window ends.
    reported: HashMap<DedupKey, Denial>,
    /// Windows before this one are summed up.
    summed_up: u32,
    sum_up_at: Option<Instant>,
}

impl Denials {
    /// Starts without denials; those that an earlier daemon left are summed up once its records are read. `root` is the root of the cgroup tree,
    /// of which `scope` is governed.
    pub(super) fn new(root: PathBuf, scope: &Path) -> Self {
        Self {
            identify: Identify::new(root, scope),
            reported: HashMap::new(),
            summed_up: 0,
            sum_up_at: Some(Instant::now() + Duration::from_secs(1)),
        }
    }

    /// Returns when the next window can be summed up.
    pub(super) fn sum_up_at(&self) -> Option<Instant> {
        self.sum_up_at
    }

    /// Reports the denials among these records, and feeds the core DNS observations and denials that need a new lookup.
    pub(super) fn report(&mut self, records: &[Record], shell: &mut Shell) {
        let mut denials = Vec::new();
        let mut observations = Vec::new();
        for record in records {
            match record {
                Record::Denial(event) => denials.push((*event, None)),
                Record::Named(named) => denials.push((named.event, Some(name_text(&named.name)))),
                Record::DnsObservation(observation) => observations.push((*observation, None)),
                Record::NamedDnsObservation(named) => {
                    observations.push((named.observation, Some(name_text(&named.name))));
                }
            }
        }
        if denials.iter().any(|(event, _)| may_be_a_new_address(event)) {
            shell.feed(core::Event::RegistryDenied);
        }
        if denials.iter().any(|(event, _)| is_without_room(event)) {
            let message = Some(WITHOUT_ROOM.to_owned());
            shell.feed(core::Event::Alarm(AlarmKind::DeviceFlowsFull, message));
        }
        if !observations.is_empty() {
            shell.feed(core::Event::Observed(observations));
        }
        for denial in denials {
            self.report_first(denial, shell);
        }
    }

    /// Reports the first denial of its key. If its window is already summed up, or too many are stored, only the sum counts it.
    fn report_first(&mut self, denial: Denial, shell: &mut Shell) {
        let (event, server_name) = &denial;
        if event.window < self.summed_up || self.reported.len() >= MOST_REPORTED {
            return;
        }
        let record = self.describe(event, server_name.as_deref(), shell);
        publish(record, shell);
        self.reported.insert(event.dedup_key(), denial);
        self.sum_up_at.get_or_insert_with(end_of_window);
    }

    /// Reports the denials that the kernel only counted, in windows that have ended.
    pub(super) fn sum_up(&mut self, shell: &mut Shell) {
        let now = window(boot_clock());
        let taken = shell.host.kernel.maps.take_counted(now);
        self.summed_up = now;
        let counted = match taken {
            Ok(counted) => counted,
            Err(error) => {
                tracing::warn!("{error}");
                self.sum_up_at = Some(end_of_window());
                return;
            }
        };
        for (key, entry) in &counted.deduplicated {
            self.sum_up_duplicates(key, entry, shell);
        }
        for (key, denials) in &counted.suppressed {
            let end = end_of(key.window);
            let record = self.identify.sum_up(key, *denials, end);
            publish(record, shell);
        }
        self.reported.retain(|key, _| key.window >= now);
        self.sum_up_at = counted.is_more.then(end_of_window);
    }

    fn sum_up_duplicates(&mut self, key: &DedupKey, entry: &DedupEntry, shell: &mut Shell) {
        let reported = self.reported.remove(key);
        let unreported = entry.denials - u64::from(reported.is_some()).min(entry.denials);
        if unreported == 0 {
            return;
        }
        let time = end_of(key.window);
        let record = match reported {
            Some((event, server_name)) => {
                let last = Event { time, ..event };
                self.describe(&last, server_name.as_deref(), shell)
            }
            // Its record was lost, so user and command are unknown.
            None => EventRecord {
                uid: None,
                command: None,
                ..self.describe(&event_of(key, entry, time), None, shell)
            },
        };
        let record = EventRecord {
            duplicates: unreported - 1,
            ..record
        };
        publish(record, shell);
    }

    fn describe(&mut self, event: &Event, server_name: Option<&str>, shell: &Shell) -> EventRecord {
        let names = |address: IpAddr| shell.state.names_of(address);
        let record = self.identify.describe(event, server_name, names);
        let asked = record.destination.filter(|_| record.names.is_empty());
        let asked = asked.and_then(|to| shell.state.queried_name(event.cgroup, to));
        EventRecord {
            queried_name: asked.map(|(name, _)| name.clone()),
            queried_by_other: asked.is_some_and(|(_, is_others)| is_others),
            ..record
        }
    }
}

/// Logs an event and publishes it to the readers.
fn publish(record: EventRecord, shell: &mut Shell) {
    shell.start(Effect::Note(Box::new(record)));
}

/// Returns whether a connection without a socket found no room.
fn is_without_room(event: &Event) -> bool {
    event.reason == Reason::FlowsFull as u8
}

/// Returns whether the denied address may be a new one of an allowed name, which no answer to the daemon has contained.
fn may_be_a_new_address(event: &Event) -> bool {
    let reasons = [Reason::Registry, Reason::ServerNameElsewhere];
    reasons.iter().any(|reason| event.reason == *reason as u8)
}

/// Returns the last moment of a window, in nanoseconds since boot.
fn end_of(window: u32) -> u64 {
    (u64::from(window) + 1) * DEDUP_WINDOW - 1
}

/// Returns when the current window can be summed up.
fn end_of_window() -> Instant {
    let now = boot_clock();
    let left = end_of(window(now)).saturating_sub(now);
    Instant::now() + Duration::from_nanos(left) + SUM_UP_DELAY
}

/// Rebuilds the event of a denial whose record was lost, from its key and entry.
fn event_of(key: &DedupKey, entry: &DedupEntry, time: u64) -> Event {
    Event {
        time,
        cgroup: key.cgroup,
        destination: key.destination,
        pid: key.pid,
        window: key.window,
        port: key.port,
        protocol: key.protocol,
        hook: u8::try_from(entry.hook).unwrap_or(u8::MAX),
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
    fn a_window_ends_before_the_next_one_starts() {
        assert_eq!(window(end_of(7)), 7);
        assert_eq!(window(end_of(7) + 1), 8);
    }

    #[test]
    fn an_event_rebuilt_from_a_key_has_the_same_key() {
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
            source: 0,
        };
        assert_eq!(event_of(&key, &DedupEntry::default(), 0).dedup_key(), key);
    }
}
