//! Process, cgroup, unit and container of an event, from the ids in it.

mod cgroup_info;
mod process;

use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use enforcer_common::layout::{DEDUP_WINDOW, SEVERAL_CGROUPS, SuppressedKey};
use enforcer_common::{BypassOption, Event, Hook, Reason};
use jiff::{SignedDuration, Timestamp};
use nix::net::if_::if_indextoname;

use crate::core::{EventKind, EventRecord};
use crate::name::Name;
use crate::printable;
use crate::sys::boot_clock;

use cgroup_info::CgroupInfos;

/// Identifies the process and the cgroup of events. Those that are gone stay unknown.
#[derive(Debug)]
pub(super) struct Identify {
    cgroups: CgroupInfos,
}

impl Identify {
    /// Creates an instance for the cgroup v2 tree mounted at `cgroup_root`, of which `scope` is governed.
    pub(super) fn new(cgroup_root: PathBuf, scope: &Path) -> Self {
        Self {
            cgroups: CgroupInfos::new(cgroup_root, scope),
        }
    }

    /// Returns the record of an event, with sequence 0; [`super::EventLog`] numbers it. `names` returns the allowed names of an address.
    ///
    /// Control characters in text from the process (its command, the path of its program, the names of its cgroups) are escaped for
    /// terminals.
    pub(super) fn describe(
        &mut self,
        event: &Event,
        server_name: Option<&str>,
        names: impl Fn(IpAddr) -> Vec<Name>,
    ) -> EventRecord {
        let option = option(event);
        let destination = option.is_none().then(|| address(event.destination));
        let port = event.port != 0 && option.is_none();
        let known = event.pid != 0;
        let cgroup = self.cgroups.find(event.cgroup);
        EventRecord {
            sequence: 0,
            time: wall_time(event.time, boot_clock(), Timestamp::now()),
            verdict: verdict(event.audited != 0),
            reason: Reason::from_code(event.reason)
                .map_or_else(|| event.reason.to_string(), |known| known.word().to_owned()),
            message: None,
            old: None,
            new: None,
            destination,
            port: port.then_some(event.port),
            protocol: option.map_or_else(|| protocol(event.protocol), |_| String::new()),
            names: destination.map(names).unwrap_or_default(),
            server_name: server_name.map(printable::line),
            queried_name: None,
            queried_by_other: false,
            hook: Hook::from_code(event.hook)
                .map_or_else(|| event.hook.to_string(), |known| known.word().to_owned()),
            device: (event.device != 0).then(|| device(event.device)),
            source: (event.source != [0; 16]).then(|| address(event.source)),
            option: option.map(|option| option.word().to_owned()),
            pid: known.then_some(event.pid),
            uid: known.then_some(event.uid),
            command: known.then(|| command(&event.command)),
            executable: known
                .then(|| process::executable(event.pid, event.time))
                .flatten(),
            cgroup: cgroup.map(|cgroup| cgroup.path.clone()),
            unit: cgroup.and_then(|cgroup| cgroup.unit.clone()),
            container: cgroup.and_then(|cgroup| cgroup.container.clone()),
            duplicates: 0,
        }
    }

    /// Returns the record of suppressed denials, counted until `end` (nanoseconds since boot).
    pub(super) fn sum_up(
        &mut self,
        suppressed: &SuppressedKey,
        denials: u64,
        end: u64,
    ) -> EventRecord {
        let cgroup = self.cgroups.find(suppressed.cgroup);
        let record = EventRecord {
            time: wall_time(end, boot_clock(), Timestamp::now()),
            verdict: verdict(suppressed.audited != 0),
            cgroup: cgroup.map(|cgroup| cgroup.path.clone()),
            unit: cgroup.and_then(|cgroup| cgroup.unit.clone()),
            container: cgroup.and_then(|cgroup| cgroup.container.clone()),
            duplicates: denials.saturating_sub(1),
            ..EventRecord::note(EventKind::Suppressed, String::new(), Timestamp::now())
        };
        let place = match (suppressed.cgroup, record.place()) {
            (0, _) => "frames without a socket".to_owned(),
            (SEVERAL_CGROUPS, _) => "several cgroups".to_owned(),
            (_, Some(place)) => place,
            (id, None) => format!("the cgroup with id {id}"),
        };
        let message = format!(
            "{denials} denials of {place} in {} seconds were too many for an event each",
            DEDUP_WINDOW / 1_000_000_000
        );
        EventRecord {
            message: Some(message),
            ..record
        }
    }
}

fn verdict(audited: bool) -> String {
    if audited { "audit" } else { "deny" }.to_owned()
}

/// Returns the socket option of an event about one.
fn option(event: &Event) -> Option<BypassOption> {
    let is_of_option = Hook::from_code(event.hook) == Some(Hook::Setsockopt);
    BypassOption::from_code(event.port).filter(|_| is_of_option)
}

/// Returns the name of a network device, or its index if it is gone.
fn device(index: u32) -> String {
    match if_indextoname(index) {
        Ok(name) => printable::bytes(name.as_bytes()),
        Err(_gone) => index.to_string(),
    }
}

/// Returns the address of a key (see [`enforcer_common::Address::key`]); the mapped form is IPv4.
fn address(key: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(key).to_canonical()
}

/// Converts a moment on the boot clock (nanoseconds) to wall time, with both clocks read now. A future moment counts as now.
fn wall_time(moment: u64, boot_now: u64, now: Timestamp) -> Timestamp {
    let age = i64::try_from(boot_now.saturating_sub(moment)).unwrap_or(0);
    now.checked_sub(SignedDuration::from_nanos(age))
        .unwrap_or(now)
}

/// Returns the name of an IP protocol number (IANA protocol numbers).
fn protocol(number: u8) -> String {
    match number {
        1 | 58 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        _ => number.to_string(),
    }
}

fn command(padded: &[u8]) -> String {
    let end = padded.iter().position(|byte| *byte == 0);
    printable::bytes(&padded[..end.unwrap_or(padded.len())])
}

#[cfg(test)]
mod tests;
