//! What the maps should allow, from the status of the daemon.

use std::collections::{BTreeMap, BTreeSet};
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
use crate::config::Sni;
use crate::core::{AlarmKind, ExceptionStatus, RegistryStatus, Status};
use crate::sys::{boot_clock, cgroup_root};

/// By how much a deadline may be later than the end of its exception: an exception ends by the later of the shown and the expected time.
pub(super) const SLACK: u64 = 120_000_000_000;

/// What should be allowed.
#[derive(Default)]
pub(super) struct Expected {
    /// Addresses of allowed names, as the rule applies to them.
    pub(super) names: BTreeSet<IpAddr>,
    /// Addresses of names that were removed.
    pub(super) lingering: BTreeSet<IpAddr>,
    pub(super) grants: Vec<ExpectedGrant>,
    /// Names and patterns of registries.
    pub(super) by_name: BTreeMap<String, ExpectedName>,
    /// Names and patterns that were removed from registries, with whether server names are checked at their addresses.
    pub(super) removed: BTreeMap<String, Sni>,
    /// Addresses of registries at which server names are not checked.
    pub(super) any_name: BTreeSet<IpAddr>,
    /// Names of exceptions.
    pub(super) named: Vec<ExpectedNamed>,
}

/// What a name of a registry should allow.
#[derive(Default)]
pub(super) struct ExpectedName {
    pub(super) addresses: BTreeSet<IpAddr>,
    /// The tag that its addresses may be in, as a flag of `NameEntry`.
    pub(super) tag: u32,
    /// Whether server names are not checked at its addresses.
    pub(super) is_any_name: bool,
}

/// What a name of an exception should allow one cgroup.
pub(super) struct ExpectedNamed {
    pub(super) cgroup: u64,
    pub(super) name: String,
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) tag: u32,
    /// Whether server names are not checked at its addresses.
    pub(super) is_any_name: bool,
    pub(super) deadline: Deadline,
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
        let mut expected = Self {
            lingering: status.lingering.iter().map(IpAddr::to_canonical).collect(),
            removed: status
                .removed
                .iter()
                .map(|one| (one.name.to_ascii_lowercase(), one.sni))
                .collect(),
            ..Self::default()
        };
        for registry in &status.registries {
            expected.add_registry(in_force, registry);
        }
        // Then ends move, as limits.md says.
        let mut alarms = status.alarms.iter();
        let is_clock_set = alarms.any(|alarm| alarm.kind == AlarmKind::ClockSet.word());
        for exception in &status.exceptions {
            let deadline = match is_clock_set {
                true => u64::MAX,
                false => deadline(exception.until),
            };
            expected.add_exception(in_force, exception, deadline, &root);
        }
        Ok(expected)
    }

    fn add_registry(&mut self, in_force: &InForce, registry: &RegistryStatus) {
        let of_names = registry.names.iter().map(|one| {
            let addresses = one.addresses.iter().map(|one| one.address);
            (one.name.as_str(), addresses.collect())
        });
        let of_patterns = registry.patterns.iter();
        let of_patterns = of_patterns.map(|one| (one.pattern.as_str(), one.addresses.clone()));
        let all: Vec<(&str, Vec<IpAddr>)> = of_names.chain(of_patterns).collect();
        for (name, addresses) in all {
            let addresses = addresses.into_iter().map(|ip| effective(in_force, ip));
            let addresses: BTreeSet<IpAddr> = addresses.collect();
            self.names.extend(&addresses);
            let of_name = self.by_name.entry(name.to_ascii_lowercase()).or_default();
            of_name.tag = tag(in_force, name);
            if registry.sni == Sni::Off {
                self.any_name.extend(&addresses);
                of_name.is_any_name = true;
            }
            of_name.addresses.extend(addresses);
        }
    }

    fn add_exception(
        &mut self,
        in_force: &InForce,
        exception: &ExceptionStatus,
        deadline: Deadline,
        root: &Path,
    ) {
        for cgroup in cgroups(exception, root) {
            self.named.extend(exception.names.iter().map(|one| {
                let addresses = one.addresses.iter();
                let addresses = addresses.map(|one| effective(in_force, one.address));
                ExpectedNamed {
                    cgroup,
                    name: one.name.to_string(),
                    addresses: addresses.collect(),
                    tag: tag(in_force, one.name.as_str()),
                    is_any_name: exception.sni == Sni::Off,
                    deadline,
                }
            }));
        }
        self.grants
            .extend(granted(in_force, exception, deadline, root));
    }
}

/// Returns the tag that the addresses of a name or pattern may be in.
fn tag(in_force: &InForce, name: &str) -> u32 {
    // What stands for the second label does not matter.
    let name = name.replace('*', "any").parse();
    name.map_or(0, |name| in_force.sources.home_flags(&name))
}

/// The cgroups of an exception, and that of packets without a socket.
fn cgroups(exception: &ExceptionStatus, root: &Path) -> impl Iterator<Item = u64> {
    let ids = exception.cgroups.iter().filter_map(|path| id(root, path));
    ids.chain([ANY_SCOPE])
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
    let mut granted = Vec::new();
    for cgroup in cgroups(exception, root) {
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
