//! What the maps allow, held against what the daemon reports as allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Result;
use enforcer_common::PolicyView as _;
use enforcer_common::layout::{ANY_SCOPE, BYPASS_ADDRESS};
use ipnet::IpNet;

use super::in_force::{InForce, RESTART};
use crate::bpf::{Grants, LivePolicy, Maps};
use crate::core::Status;
use crate::doctor::Check;
use crate::policy::address;
use crate::sys::cgroup_root;

/// Maximum number of entries in a message.
const MOST: usize = 5;

/// Checks that the maps allow each address that the daemon reports, and nothing else. `None` if no daemon runs.
///
/// # Errors
/// If the maps cannot be read.
pub(super) fn grants(in_force: &InForce, maps: &Maps) -> Result<Option<Check>> {
    let Some(status) = &in_force.status else {
        return Ok(None);
    };
    let mut found = Comparison::of(in_force, status, maps)?;
    if !found.is_equal() {
        // Names may have resolved otherwise meanwhile.
        let fresh = (in_force.refresh)(&in_force.paths);
        if let Some(fresh) = &fresh {
            found = Comparison::of(in_force, fresh, maps)?;
        }
    }
    let is_equal = found.is_equal();
    Ok(Some(Check::new(
        "allowed addresses",
        is_equal,
        found.message(),
        RESTART,
    )))
}

/// The differences between the maps and the status.
struct Comparison {
    /// Number of addresses of allowed names.
    names: usize,
    /// Number of addresses and prefixes of exceptions.
    exceptions: usize,
    missing: Vec<String>,
    unexpected: Vec<String>,
}

impl Comparison {
    fn of(in_force: &InForce, status: &Status, maps: &Maps) -> Result<Self> {
        let live = LivePolicy::new(maps, Vec::new())?;
        let granted = maps.grants()?;
        let names = names(in_force, status);
        let exceptions = exceptions(in_force, status)?;
        let is_missing = |ip: &&IpAddr| !live.is_allowed(address(**ip));
        let missing = names.iter().filter(is_missing);
        Ok(Self {
            missing: missing.map(ToString::to_string).collect(),
            unexpected: unexpected(&granted, &names, &exceptions),
            names: granted.names.len(),
            exceptions: granted.exceptions.len(),
        })
    }

    fn is_equal(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty()
    }

    fn message(&self) -> String {
        if self.is_equal() {
            return format!(
                "{} addresses of names, {} addresses and prefixes of exceptions, and no others",
                self.names, self.exceptions
            );
        }
        let mut parts = Vec::new();
        for (what, found) in [
            ("not in the maps", &self.missing),
            ("in the maps without a reason", &self.unexpected),
        ] {
            if !found.is_empty() {
                let shown = found.iter().take(MOST).map(String::as_str);
                let shown = shown.collect::<Vec<_>>().join(", ");
                parts.push(format!("{} {what}: {shown}", found.len()));
            }
        }
        parts.join("; ")
    }
}

/// Returns the addresses of allowed names, as the rule applies to them.
fn names(in_force: &InForce, status: &Status) -> BTreeSet<IpAddr> {
    let registries = status.registries.iter();
    let addresses = registries.flat_map(|registry| {
        let names = registry.names.iter().flat_map(|name| &name.addresses);
        let patterns = registry.patterns.iter().flat_map(|one| &one.addresses);
        names.map(|one| one.address).chain(patterns.copied())
    });
    let effective = |ip| in_force.sources.effective_address(ip).to_canonical();
    addresses.map(effective).collect()
}

/// Returns what exceptions allow, by the id of the cgroup.
///
/// # Errors
/// If there is no cgroup v2 tree.
fn exceptions(in_force: &InForce, status: &Status) -> Result<BTreeMap<u64, Vec<IpNet>>> {
    let root = cgroup_root()?;
    let mut found: BTreeMap<u64, Vec<IpNet>> = BTreeMap::new();
    for exception in &status.exceptions {
        let addresses = exception.names.iter().flat_map(|name| &name.addresses);
        let effective = |ip| in_force.sources.effective_address(ip).to_canonical();
        let addresses = addresses.map(|one| IpNet::from(effective(one.address)));
        let prefixes = exception.cidrs.iter().filter_map(|cidr| cidr.parse().ok());
        let bypass = IpNet::from(IpAddr::V6(Ipv6Addr::from(BYPASS_ADDRESS)));
        let bypass = exception.device_bypass.then_some(bypass);
        let nets: Vec<IpNet> = addresses.chain(prefixes).chain(bypass).collect();
        let ids = exception.cgroups.iter().filter_map(|path| id(&root, path));
        for id in ids.chain([ANY_SCOPE]) {
            found.entry(id).or_default().extend(&nets);
        }
    }
    Ok(found)
}

/// Returns the id of a cgroup; `None` if it is gone.
fn id(root: &Path, path: &Path) -> Option<u64> {
    let below = path.strip_prefix("/").unwrap_or(path);
    fs::metadata(root.join(below)).ok().map(|found| found.ino())
}

/// Returns what the maps allow for no reason that the daemon reports.
fn unexpected(
    granted: &Grants,
    names: &BTreeSet<IpAddr>,
    exceptions: &BTreeMap<u64, Vec<IpNet>>,
) -> Vec<String> {
    let others = granted.names.iter().filter(|ip| !names.contains(ip));
    let others = others.map(ToString::to_string);
    let is_expected = |cgroup: &u64, net: &IpNet| {
        let expected = exceptions.get(cgroup);
        expected.is_some_and(|nets| nets.iter().any(|one| one.contains(net)))
    };
    let exceptions = granted.exceptions.iter();
    let exceptions = exceptions.filter(|(cgroup, net)| !is_expected(cgroup, net));
    let exceptions = exceptions.map(|(cgroup, net)| match *cgroup {
        ANY_SCOPE => format!("{net} for packets without a socket"),
        cgroup => format!("{net} for the cgroup {cgroup}"),
    });
    others.chain(exceptions).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_without_a_reason_are_found() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let granted = Grants {
            names: vec![ip("203.0.113.1"), ip("203.0.113.2")],
            exceptions: vec![
                (7, net("198.51.100.0/24")),
                (8, net("198.51.100.0/24")),
                (ANY_SCOPE, net("198.51.100.7/32")),
                (7, net("198.51.0.0/16")),
            ],
        };
        let names = [ip("203.0.113.1"), ip("203.0.113.9")].into();
        let exceptions = [
            (7, vec![net("198.51.100.0/24")]),
            (ANY_SCOPE, vec![net("198.51.100.0/24")]),
        ];
        assert_eq!(
            unexpected(&granted, &names, &exceptions.into()),
            [
                "203.0.113.2",
                "198.51.100.0/24 for the cgroup 8",
                "198.51.0.0/16 for the cgroup 7"
            ]
        );
    }
}
