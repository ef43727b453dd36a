//! Allowed names, and the addresses that each leads to, as the kernel holds them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use enforcer_common::layout::{
    AddressGrant, Deadline, MAX_NAME_ADDRESSES, MAX_NAMES, NAME_BYTES, NameEntry, NameKey,
};

use super::CompileError;
use super::compile::fits;
use super::effective_address::address;
use super::revocation::NameGrants;

/// The scope of registries: everybody.
pub const EVERYBODY: Scope = Scope {
    cgroup: 0,
    deadline: Deadline::MAX,
    unchecked: false,
};

/// Pairs of a name and an address that only a daemon before this one knew: they leave room for those that are known, and for changes.
const MOST_INHERITED: usize = MAX_NAME_ADDRESSES as usize / 2;

/// Whom a name opens its addresses to, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The cgroup of an exception; 0 for everybody.
    pub cgroup: u64,
    /// In nanoseconds since boot.
    pub deadline: Deadline,
    /// Whether the names in handshakes do not count (`sni = "off"`).
    pub unchecked: bool,
}

/// An allowed name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameInput {
    /// The name, or a pattern with `*` as its second label.
    pub text: String,
    /// Its number, from [`NameIds`].
    pub id: u32,
    /// Whom it opens its addresses to.
    pub scopes: Vec<Scope>,
    /// Where it leads.
    pub addresses: Vec<IpAddr>,
    /// Where it may lead, for everybody: no answer to this daemon said so. Handshakes have to name it there in any case.
    pub inherited: Vec<IpAddr>,
    /// The flags of [`NameEntry`] that say where its addresses may lie and who learns them.
    pub flags: u32,
    /// Whether it has left the sources, and only its addresses linger: the kernel learns no more of it.
    pub departed: bool,
}

/// The numbers of names. They follow from the names, so that they are the same after a restart, and in another version.
#[derive(Clone, Debug, Default)]
pub struct NameIds {
    ids: BTreeMap<NameKey, u32>,
}

impl NameIds {
    /// The numbers in the maps that a daemon finds.
    pub fn of(held: &BTreeMap<NameKey, NameEntry>) -> Self {
        let ids = held.iter().map(|(key, entry)| (*key, entry.id)).collect();
        Self { ids }
    }

    /// The number of a name.
    pub fn id(&mut self, name: &str) -> u32 {
        let key = key(name);
        if let Some(known) = self.ids.get(&key) {
            return *known;
        }
        let mut id = hash(name);
        while id == AddressGrant::ADDRESS
            || id == AddressGrant::ANY_NAME
            || self.ids.values().any(|other| *other == id)
        {
            id = id.wrapping_add(1);
        }
        self.ids.insert(key, id);
        id
    }

    /// The name with a number.
    pub fn name(&self, id: u32) -> Option<String> {
        let (key, _) = self.ids.iter().find(|(_, known)| **known == id)?;
        Some(text(key))
    }

    /// Forgets the names that are in no policy any more.
    pub fn retain(&mut self, names: &BTreeMap<NameKey, NameEntry>) {
        self.ids.retain(|key, _| names.contains_key(key));
    }
}

/// FNV-1a (Fowler, Noll and Vo) of 32 bits.
fn hash(name: &str) -> u32 {
    let lower = name.bytes().map(|byte| byte.to_ascii_lowercase());
    lower.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// The key of a name, which has at most 253 bytes.
pub fn key(name: &str) -> NameKey {
    let mut key = [0; NAME_BYTES];
    for (to, from) in key.iter_mut().zip(name.bytes()) {
        *to = from.to_ascii_lowercase();
    }
    key
}

/// The name in a key or an event.
pub fn text(key: &NameKey) -> String {
    let written = key.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(written).into_owned()
}

/// Names with their entries, and which addresses they are bound to.
pub(super) type Compiled = (
    BTreeMap<NameKey, NameEntry>,
    BTreeMap<AddressGrant, Deadline>,
);

/// Compiles the names.
pub(super) fn compile(inputs: &[NameInput]) -> Result<Compiled, CompileError> {
    let mend = "allow fewer names";
    fits(inputs.len(), MAX_NAMES as usize, "allowed names", mend)?;
    let names = inputs.iter().map(|input| (key(&input.text), entry(input)));
    let names = names.collect();
    let mut bound = BTreeMap::new();
    for input in inputs {
        bind(input, &mut bound);
    }
    let what = "pairs of a name and an address";
    fits(bound.len(), MAX_NAME_ADDRESSES as usize, what, mend)?;
    for input in inputs {
        bind_inherited(input, &mut bound);
    }
    Ok((names, bound))
}

fn bind(input: &NameInput, bound: &mut BTreeMap<AddressGrant, Deadline>) {
    for ip in &input.addresses {
        for scope in &input.scopes {
            let any = scope.unchecked.then_some(AddressGrant::ANY_NAME);
            for name in any.into_iter().chain([input.id]) {
                let opening = AddressGrant::new(scope.cgroup, address(*ip).key(), name);
                let deadline = bound.entry(opening).or_default();
                *deadline = scope.deadline.max(*deadline);
            }
        }
    }
}

fn bind_inherited(input: &NameInput, bound: &mut BTreeMap<AddressGrant, Deadline>) {
    for ip in &input.inherited {
        if bound.len() >= MOST_INHERITED {
            return;
        }
        let opening = AddressGrant::new(EVERYBODY.cgroup, address(*ip).key(), input.id);
        bound.insert(opening, EVERYBODY.deadline);
    }
}

/// For whom the names lead anywhere.
pub(super) fn granted(inputs: &[NameInput]) -> NameGrants {
    let mut granted = NameGrants::new();
    for input in inputs {
        for scope in &input.scopes {
            let until = granted.entry((scope.cgroup, input.id)).or_default();
            *until = scope.deadline.max(*until);
        }
    }
    granted
}

fn entry(input: &NameInput) -> NameEntry {
    let mut flags = input.flags;
    if input.scopes.iter().any(|scope| scope.unchecked) {
        // A forged answer would open an address to whatever name.
        flags |= NameEntry::UNCHECKED | NameEntry::ASK_DAEMON;
    }
    let mut entry = NameEntry {
        id: input.id,
        flags,
        ..NameEntry::default()
    };
    match input.scopes.as_slice() {
        _ if input.departed => entry.flags = 0,
        scopes if scopes.iter().any(is_everybody) => entry.flags |= NameEntry::REGISTRY,
        [scope] => (entry.cgroup, entry.deadline) = (scope.cgroup, scope.deadline),
        [] => {}
        [_, _, ..] => entry.flags |= NameEntry::ASK_DAEMON,
    }
    entry
}

fn is_everybody(scope: &Scope) -> bool {
    scope.cgroup == EVERYBODY.cgroup
}

#[cfg(test)]
mod tests;
