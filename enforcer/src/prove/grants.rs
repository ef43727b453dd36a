//! What the maps allow, held against what the daemon reports as allowed.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use enforcer_common::PolicyView as _;
use enforcer_common::layout::ANY_SCOPE;
use ipnet::IpNet;

use super::expected::{Expected, ExpectedGrant, SLACK};
use super::in_force::{InForce, RESTART};
use super::named;
use crate::bpf::{Grant, Grants, LivePolicy, Maps};
use crate::core::Status;
use crate::doctor::Check;
use crate::policy::address;
use crate::sys::boot_clock;

/// Maximum number of entries in a message.
const MOST: usize = 5;
/// How often the daemon is asked again, and the time before: meanwhile names resolve otherwise, and units start.
const TRIES: usize = 5;
const WAIT: Duration = Duration::from_secs(1);

/// Checks that the maps allow each address that the daemon reports, and nothing else. `None` if no daemon runs.
///
/// # Errors
/// If the maps cannot be read.
pub(super) fn grants(in_force: &InForce, maps: &Maps) -> Result<Option<Check>> {
    let Some(status) = &in_force.status else {
        return Ok(None);
    };
    let mut found = Comparison::of(in_force, status, maps)?;
    for _try in 0..TRIES {
        if found.is_equal() {
            break;
        }
        sleep(WAIT);
        if let Some(fresh) = (in_force.refresh)(&in_force.paths) {
            found = Comparison::of(in_force, &fresh, maps)?;
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
    /// Number of addresses that the kernel programs read from DNS answers.
    snooped: usize,
    /// Number of addresses and prefixes of exceptions.
    exceptions: usize,
    missing: Vec<String>,
    unexpected: Vec<String>,
}

impl Comparison {
    fn of(in_force: &InForce, status: &Status, maps: &Maps) -> Result<Self> {
        let (granted, held) = (maps.grants()?, maps.named_grants()?);
        let expected = Expected::of(in_force, status)?;
        let now = boot_clock();
        Ok(Self {
            missing: [
                missing(&expected, maps)?,
                named::missing(&held, &expected, now),
            ]
            .concat(),
            unexpected: [
                unexpected(&granted, &expected, now),
                named::unexpected(&held, &expected, now),
            ]
            .concat(),
            names: granted.names.len(),
            snooped: held.snooped,
            exceptions: granted.addresses.len() + granted.prefixes.len(),
        })
    }

    fn is_equal(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty()
    }

    fn message(&self) -> String {
        if self.is_equal() {
            return format!(
                "{} addresses of names, {} that the kernel read from DNS answers, {} addresses and prefixes of exceptions, and no others",
                self.names, self.snooped, self.exceptions
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

/// Returns what the maps do not allow, although the daemon reports it.
///
/// # Errors
/// If the maps cannot be read.
fn missing(expected: &Expected, maps: &Maps) -> Result<Vec<String>> {
    let live = LivePolicy::new(maps, Vec::new())?;
    let is_missing = |ip: &&IpAddr| !live.is_allowed(address(**ip));
    let names = expected.names.iter().filter(is_missing);
    let mut missing: Vec<String> = names.map(ToString::to_string).collect();
    let of_units = expected.grants.iter();
    for one in of_units.filter(|one| one.is_in_force && one.grant.cgroup != ANY_SCOPE) {
        let live = LivePolicy::new(maps, vec![one.grant.cgroup])?;
        let first = one.grant.to.network();
        if live.exception(address(first)).is_none() {
            missing.push(format!(
                "{} for the cgroup {}",
                one.grant.to, one.grant.cgroup
            ));
        }
    }
    Ok(missing)
}

/// Returns what the maps allow at `now`, in nanoseconds since boot, for no reason that the daemon reports.
fn unexpected(granted: &Grants, expected: &Expected, now: u64) -> Vec<String> {
    let known: BTreeSet<IpAddr> = expected
        .names
        .iter()
        .chain(&expected.lingering)
        .copied()
        .collect();
    let others = granted.names.iter().filter(|ip| !known.contains(ip));
    let mut unexpected: Vec<String> = others.map(ToString::to_string).collect();
    let addresses = granted.addresses.iter().map(|one| Grant {
        cgroup: one.cgroup,
        to: one.to.into(),
        deadline: one.deadline,
    });
    let kinds = addresses
        .map(|one| (one, false))
        .chain(granted.prefixes.iter().map(|one| (*one, true)));
    for (one, is_prefix) in kinds.filter(|(one, _)| one.deadline > now) {
        if is_expected(&one, is_prefix, expected) {
            continue;
        }
        let whose = match one.cgroup {
            ANY_SCOPE => "packets without a socket".to_owned(),
            cgroup => format!("the cgroup {cgroup}"),
        };
        unexpected.push(format!("{} for {whose}", one.to));
    }
    unexpected
}

/// Whether a reason is reported for an entry and its end. A prefix has the latest end of those that cover it (`policy::exceptions`).
fn is_expected(one: &Grant<IpNet>, is_prefix: bool, expected: &Expected) -> bool {
    let of_it = |expected: &&ExpectedGrant| {
        expected.grant.cgroup == one.cgroup && expected.is_prefix == is_prefix
    };
    let grants = expected.grants.iter().filter(of_it).map(|one| one.grant);
    let covering: Vec<Grant<IpNet>> = grants.filter(|of| of.to.contains(&one.to)).collect();
    let end = covering.iter().map(|of| of.deadline).max();
    covering.iter().any(|of| of.to == one.to)
        && end.is_some_and(|end| one.deadline <= end.saturating_add(SLACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant<T: std::str::FromStr>(cgroup: u64, to: &str, deadline: u64) -> Grant<T>
    where
        T::Err: std::fmt::Debug,
    {
        Grant {
            cgroup,
            to: to.parse().unwrap(),
            deadline,
        }
    }

    #[test]
    fn entries_without_a_reason_are_found() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        const END: u64 = 1_000_000_000_000;
        let granted = Grants {
            names: ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
                .map(ip)
                .to_vec(),
            addresses: vec![
                grant(7, "198.51.100.7", END),
                grant(8, "198.51.100.7", END),
                grant(9, "198.51.100.7", 5),
            ],
            prefixes: vec![
                grant(7, "192.0.2.0/24", END + SLACK),
                grant(7, "192.0.0.0/16", END),
                // An address of a name allows one port, a prefix all.
                grant(7, "198.51.100.7/32", END),
                grant(ANY_SCOPE, "192.0.2.0/24", END + SLACK + 1),
            ],
        };
        let expected = |cgroup, to, is_prefix| ExpectedGrant {
            grant: grant(cgroup, to, END),
            is_prefix,
            is_in_force: true,
        };
        let expected = Expected {
            names: [ip("203.0.113.1")].into(),
            lingering: [ip("203.0.113.3")].into(),
            grants: vec![
                expected(7, "198.51.100.7/32", false),
                expected(7, "192.0.2.0/24", true),
                expected(ANY_SCOPE, "192.0.2.0/24", true),
            ],
            ..Expected::default()
        };
        assert_eq!(
            unexpected(&granted, &expected, 10),
            [
                "203.0.113.2",
                "198.51.100.7/32 for the cgroup 8",
                "192.0.0.0/16 for the cgroup 7",
                "198.51.100.7/32 for the cgroup 7",
                "192.0.2.0/24 for packets without a socket",
            ]
        );
    }
}
