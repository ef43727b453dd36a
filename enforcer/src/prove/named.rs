//! What names allow in the maps, held against what the daemon reports of them.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_common::layout::NameEntry;

use super::expected::{Expected, SLACK};
use crate::bpf::{GrantedBy, NamedGrant, NamedGrants};

/// The scope of registries.
const EVERYBODY: u64 = 0;

/// Returns the addresses of registries that no name in the maps allows: connections to them are refused.
pub(super) fn missing(held: &NamedGrants, expected: &Expected) -> Vec<String> {
    let names = by_number(held);
    let mut bound = BTreeSet::new();
    for grant in held.grants.iter().filter(|one| one.cgroup == EVERYBODY) {
        match grant.by {
            GrantedBy::Name(number) => {
                bound.extend(names.get(&number).map(|(name, _)| (*name, grant.to)));
            }
            GrantedBy::AnyName | GrantedBy::SomeName => {}
        }
    }
    let wanted = expected.by_name.iter();
    let wanted = wanted.flat_map(|(name, addresses)| addresses.iter().map(move |ip| (name, ip)));
    wanted
        .filter(|(name, ip)| !bound.contains(&(name.as_str(), **ip)))
        .map(|(name, ip)| format!("{ip} by the name {name}"))
        .collect()
}

/// Returns the entries that allow something at `now`, in nanoseconds since boot, for no reason that the daemon reports.
pub(super) fn unexpected(held: &NamedGrants, expected: &Expected, now: u64) -> Vec<String> {
    let mut numbers = BTreeSet::new();
    let mut unexpected = Vec::new();
    for (name, entry) in &held.names {
        // Two names with one number are one name to the programs.
        if !numbers.insert(entry.id) || !may_allow(name, entry, expected, now) {
            unexpected.push(format!("the name {name}"));
        }
    }
    let names = by_number(held);
    for grant in held.grants.iter().filter(|one| one.deadline > now) {
        let named = match grant.by {
            GrantedBy::Name(number) => names.get(&number).copied(),
            GrantedBy::AnyName | GrantedBy::SomeName => None,
        };
        if !is_expected(grant, named, expected) {
            let by = match grant.by {
                GrantedBy::Name(number) => named.map_or_else(
                    || format!("a name with the number {number}"),
                    |(name, _)| format!("the name {name}"),
                ),
                GrantedBy::AnyName => "any name".to_owned(),
                GrantedBy::SomeName => "a DNS answer".to_owned(),
            };
            unexpected.push(format!("{} by {by}", grant.to));
        }
    }
    unexpected
}

/// A name and its entry.
type Named<'a> = (&'a str, &'a NameEntry);

fn by_number(held: &NamedGrants) -> BTreeMap<u32, Named<'_>> {
    let names = held.names.iter();
    names
        .map(|(name, entry)| (entry.id, (name.as_str(), entry)))
        .collect()
}

/// Whether a reason is reported for what DNS answers to the name may allow.
fn may_allow(name: &str, entry: &NameEntry, expected: &Expected, now: u64) -> bool {
    if entry.flags & NameEntry::REGISTRY != 0 {
        return expected.by_name.contains_key(name);
    }
    entry.cgroup == 0
        || entry.deadline <= now
        || expected.names_of(entry.cgroup).any(|known| known == name)
}

/// Whether a reason is reported for an address and its end.
fn is_expected(grant: &NamedGrant, named: Option<Named<'_>>, expected: &Expected) -> bool {
    match grant.cgroup {
        EVERYBODY => is_of_registry(grant, named, expected),
        cgroup => {
            let mut of_it = expected.named.iter().filter(|one| {
                one.cgroup == cgroup && grant.deadline <= one.deadline.saturating_add(SLACK)
            });
            of_it.any(|one| {
                let is_name = match grant.by {
                    GrantedBy::Name(_) => named.is_some_and(|(name, _)| name == one.name),
                    GrantedBy::AnyName => one.is_any_name,
                    GrantedBy::SomeName => true,
                };
                is_name && one.addresses.contains(&grant.to)
            })
        }
    }
}

/// An address of an earlier daemon or of a removed name is reported without its name, or with another name that has it, too.
fn is_of_registry(grant: &NamedGrant, named: Option<Named<'_>>, expected: &Expected) -> bool {
    let is_reported = expected.names.contains(&grant.to) || expected.lingering.contains(&grant.to);
    match grant.by {
        GrantedBy::Name(_) => named.is_some_and(|(name, entry)| {
            is_reported
                && (expected.by_name.contains_key(name) || is_removed(name, entry, expected))
        }),
        GrantedBy::AnyName => expected.any_name.contains(&grant.to),
        GrantedBy::SomeName => is_reported,
    }
}

/// Whether a name may be one that left its registry, whose addresses stay for a time.
fn is_removed(name: &str, entry: &NameEntry, expected: &Expected) -> bool {
    entry.flags == 0 && entry.cgroup == 0 && expected.named.iter().all(|one| one.name != name)
}

#[cfg(test)]
mod tests;
