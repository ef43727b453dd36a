//! Allowed names and the addresses of each, as the maps hold them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use enforcer_common::layout::{
    ANY_SCOPE, AddressGrant, Deadline, MAX_NAME_ADDRESSES, MAX_NAMES, NameEntry, NameKey,
};

use super::effective_address::address;
use super::error::{CompileError, fits};
use super::name_ids::key;
use super::revocation::NameGrants;

/// The scope of registries: all cgroups, without a deadline.
pub const EVERYBODY: Scope = Scope {
    cgroup: 0,
    deadline: Deadline::MAX,
    unchecked: false,
};

/// The limit up to which inherited pairs of a name and an address are added: they leave room for known pairs, and for changes.
const MOST_INHERITED: usize = MAX_NAME_ADDRESSES as usize / 2;

/// The cgroup for which a name allows its addresses, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The cgroup of an exception; 0 for all.
    pub cgroup: u64,
    /// The deadline in nanoseconds since boot.
    pub deadline: Deadline,
    /// Whether SNI is not checked (`sni = "off"`).
    pub unchecked: bool,
}

/// An allowed name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameInput {
    /// The name, or a pattern with `*` as its second label.
    pub text: String,
    /// Its number, from [`NameIds`].
    pub id: u32,
    /// The scopes in which its addresses are allowed.
    pub scopes: Vec<Scope>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Addresses from an earlier daemon that no answer to this one confirmed, allowed in all cgroups. SNI is always checked for them.
    pub inherited: Vec<IpAddr>,
    /// The flags of [`NameEntry`] that determine which addresses are plausible and who adds them.
    pub flags: u32,
    /// Whether it left the sources, so that its addresses only linger: the kernel adds no more by snooping.
    pub departed: bool,
}

/// Entries of names, and the grants of addresses to them.
pub(super) type Compiled = (
    BTreeMap<NameKey, NameEntry>,
    BTreeMap<AddressGrant, Deadline>,
);

/// Compiles the names. `devices`: packets without a socket have the grants of all scopes.
pub(super) fn compile(inputs: &[NameInput], devices: bool) -> Result<Compiled, CompileError> {
    let fix = "allow fewer names";
    fits(inputs.len(), MAX_NAMES as usize, "allowed names", fix)?;
    let names = inputs.iter().map(|input| (key(&input.text), entry(input)));
    let names = names.collect();
    let mut granted = BTreeMap::new();
    for input in inputs {
        for scope in &input.scopes {
            grant_addresses(input, *scope, &mut granted);
            if devices && !is_for_all(scope) {
                let cgroup = ANY_SCOPE;
                grant_addresses(input, Scope { cgroup, ..*scope }, &mut granted);
            }
        }
    }
    let what = "pairs of a name and an address";
    fits(granted.len(), MAX_NAME_ADDRESSES as usize, what, fix)?;
    for input in inputs {
        grant_inherited(input, &mut granted);
    }
    Ok((names, granted))
}

fn grant_addresses(
    input: &NameInput,
    scope: Scope,
    granted: &mut BTreeMap<AddressGrant, Deadline>,
) {
    let any = scope.unchecked.then_some(AddressGrant::ANY_NAME);
    for ip in &input.addresses {
        for name in any.into_iter().chain([input.id]) {
            let grant = AddressGrant::new(scope.cgroup, address(*ip).key(), name);
            let deadline = granted.entry(grant).or_default();
            *deadline = scope.deadline.max(*deadline);
        }
    }
}

fn grant_inherited(input: &NameInput, granted: &mut BTreeMap<AddressGrant, Deadline>) {
    for ip in &input.inherited {
        if granted.len() >= MOST_INHERITED {
            return;
        }
        let grant = AddressGrant::new(EVERYBODY.cgroup, address(*ip).key(), input.id);
        granted.insert(grant, EVERYBODY.deadline);
    }
}

/// Returns the cgroups for which each name grants addresses, and until when.
pub(super) fn name_grants(inputs: &[NameInput]) -> NameGrants {
    let mut grants = NameGrants::new();
    for input in inputs {
        for scope in &input.scopes {
            let until = grants.entry((scope.cgroup, input.id)).or_default();
            *until = scope.deadline.max(*until);
        }
    }
    grants
}

fn entry(input: &NameInput) -> NameEntry {
    let mut flags = input.flags;
    if input.scopes.iter().any(|scope| scope.unchecked) {
        // Otherwise a forged answer would allow an address for any name.
        flags |= NameEntry::UNCHECKED | NameEntry::ASK_DAEMON;
    }
    let mut entry = NameEntry {
        id: input.id,
        flags,
        ..NameEntry::default()
    };
    match input.scopes.as_slice() {
        _ if input.departed => entry.flags = 0,
        scopes if scopes.iter().any(is_for_all) => entry.flags |= NameEntry::REGISTRY,
        [scope] => (entry.cgroup, entry.deadline) = (scope.cgroup, scope.deadline),
        [] => {}
        [_, _, ..] => entry.flags |= NameEntry::ASK_DAEMON,
    }
    entry
}

fn is_for_all(scope: &Scope) -> bool {
    scope.cgroup == EVERYBODY.cgroup
}

#[cfg(test)]
mod tests;
