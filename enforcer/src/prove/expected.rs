//! What the maps should allow, from the status of the daemon.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Result;
use enforcer_common::layout::{ANY_SCOPE, BYPASS_ADDRESS, Deadline};
use ipnet::IpNet;
use jiff::Timestamp;

use super::in_force::InForce;
use crate::bpf::Grant;
use crate::core::{AlarmKind, ExceptionStatus, Status};
use crate::sys::{boot_clock, cgroup_root};

/// What should be allowed.
pub(super) struct Expected {
    /// Addresses of allowed names, as the rule applies to them.
    pub(super) names: BTreeSet<IpAddr>,
    /// Addresses of names that were removed.
    pub(super) lingering: BTreeSet<IpAddr>,
    pub(super) grants: Vec<ExpectedGrant>,
}

/// What an exception should allow one cgroup.
pub(super) struct ExpectedGrant {
    pub(super) grant: Grant<IpNet>,
    /// Whether it is a prefix of the configuration, else the address of a name.
    pub(super) is_prefix: bool,
    /// Whether the exception has not ended, and destinations follow from it.
    pub(super) is_in_force: bool,
}

impl Expected {
    /// Reads it from `status`.
    ///
    /// # Errors
    /// If there is no cgroup v2 tree.
    pub(super) fn of(in_force: &InForce, status: &Status) -> Result<Self> {
        let root = cgroup_root()?;
        let registries = status.registries.iter();
        let names = registries.flat_map(|registry| {
            let names = registry.names.iter().flat_map(|name| &name.addresses);
            let patterns = registry.patterns.iter().flat_map(|one| &one.addresses);
            names.map(|one| one.address).chain(patterns.copied())
        });
        let mut grants = Vec::new();
        // Then ends move, as limits.md says.
        let mut alarms = status.alarms.iter();
        let is_clock_set = alarms.any(|alarm| alarm.kind == AlarmKind::ClockSet.word());
        for exception in &status.exceptions {
            let deadline = match is_clock_set {
                true => u64::MAX,
                false => deadline(exception.until),
            };
            grants.extend(granted(in_force, exception, deadline, &root));
        }
        Ok(Self {
            names: names.map(|ip| effective(in_force, ip)).collect(),
            lingering: status.lingering.iter().map(IpAddr::to_canonical).collect(),
            grants,
        })
    }
}

/// Returns what an exception allows each of its cgroups, and packets without a socket.
fn granted(
    in_force: &InForce,
    exception: &ExceptionStatus,
    deadline: Deadline,
    root: &Path,
) -> Vec<ExpectedGrant> {
    let addresses = exception.names.iter().flat_map(|name| &name.addresses);
    let addresses = addresses.map(|one| IpNet::from(effective(in_force, one.address)));
    let prefixes = exception.cidrs.iter().filter_map(|cidr| cidr.parse().ok());
    let bypass = IpNet::from(IpAddr::V6(Ipv6Addr::from(BYPASS_ADDRESS)));
    let bypass = exception.device_bypass.then_some(bypass);
    let destinations = addresses
        .map(|to| (to, false, true))
        .chain(prefixes.map(|to| (to, true, true)))
        // Which stands for no destination.
        .chain(bypass.map(|to| (to, false, false)));
    let destinations: Vec<(IpNet, bool, bool)> = destinations.collect();
    let ids = exception.cgroups.iter().filter_map(|path| id(root, path));
    let mut granted = Vec::new();
    for cgroup in ids.chain([ANY_SCOPE]) {
        granted.extend(
            destinations
                .iter()
                .map(|(to, is_prefix, is_reached)| ExpectedGrant {
                    grant: Grant {
                        cgroup,
                        to: *to,
                        deadline,
                    },
                    is_prefix: *is_prefix,
                    is_in_force: *is_reached && !exception.ended,
                }),
        );
    }
    granted
}

/// Returns an instant in nanoseconds since boot; 0 if it has passed.
fn deadline(until: Timestamp) -> u64 {
    let left = until.duration_since(Timestamp::now()).as_nanos();
    match u64::try_from(left) {
        Ok(left) => boot_clock().saturating_add(left),
        Err(_) if left > 0 => u64::MAX,
        Err(_) => 0,
    }
}

fn effective(in_force: &InForce, ip: IpAddr) -> IpAddr {
    in_force.sources.effective_address(ip).to_canonical()
}

/// Returns the id of a cgroup; `None` if it is gone.
fn id(root: &Path, path: &Path) -> Option<u64> {
    let below = path.strip_prefix("/").unwrap_or(path);
    fs::metadata(root.join(below)).ok().map(|found| found.ino())
}
