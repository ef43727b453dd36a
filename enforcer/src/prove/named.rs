//! What names allow in the maps, held against what the daemon reports of them.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_common::layout::NameEntry;

use super::expected::{Expected, SLACK};
use crate::bpf::{GrantedBy, NamedGrant, NamedGrants};
use crate::config::Sni;
use crate::policy;

/// The cgroup that stands for all: what registries allow.
const EVERYBODY: u64 = policy::EVERYBODY.cgroup;

/// Returns the addresses of registries that no name in the maps allows: connections to them are refused.
pub(super) fn missing(held: &NamedGrants, expected: &Expected, now: u64) -> Vec<String> {
    let names = by_number(held);
    let mut bound = BTreeSet::new();
    let ahead = held.grants.iter().filter(|one| one.deadline > now);
    for grant in ahead.filter(|one| one.cgroup == EVERYBODY) {
        match grant.by {
            GrantedBy::Name(number) => {
                bound.extend(names.get(&number).map(|(name, _)| (*name, grant.to)));
            }
            GrantedBy::AnyName | GrantedBy::SomeName => {}
        }
    }
    let wanted = expected.by_name.iter();
    let wanted = wanted.flat_map(|(name, known)| known.addresses.iter().map(move |ip| (name, ip)));
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

/// Whether a reason is reported for what DNS answers to the name may allow, and until when.
fn may_allow(name: &str, entry: &NameEntry, expected: &Expected, now: u64) -> bool {
    if entry.flags & NameEntry::REGISTRY != 0 {
        let known = expected.by_name.get(name);
        return known.is_some_and(|known| is_as_checked(entry, known.tag, known.is_any_name));
    }
    let mut named = expected.named.iter();
    entry.cgroup == 0
        || entry.deadline <= now
        || named.any(|one| {
            one.cgroup == entry.cgroup
                && one.name == name
                && entry.deadline <= one.deadline.saturating_add(SLACK)
                && is_as_checked(entry, one.tag, one.is_any_name)
        })
}

/// Whether the programs check an answer as the configuration says.
fn is_as_checked(entry: &NameEntry, tag: u32, is_any_name: bool) -> bool {
    const TAGS: u32 = NameEntry::IN_REGISTRY_TAG | NameEntry::IN_STORAGE_TAG;
    // Otherwise a forged answer would allow an address for any name.
    let needed = if is_any_name {
        NameEntry::UNCHECKED | NameEntry::ASK_DAEMON
    } else {
        0
    };
    entry.flags & TAGS == tag && entry.flags & needed == needed
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
    let mut removed = expected.removed.values();
    match grant.by {
        GrantedBy::Name(_) => named.is_some_and(|(name, _)| {
            let is_known =
                expected.by_name.contains_key(name) || expected.removed.contains_key(name);
            is_reported && is_known
        }),
        GrantedBy::AnyName => {
            let is_of_removed = is_reported && removed.any(|sni| *sni == Sni::Off);
            is_of_removed || expected.any_name.contains(&grant.to)
        }
        GrantedBy::SomeName => is_reported,
    }
}

#[cfg(test)]
mod tests;
