//! The changes between the contents of the maps and a desired policy.

use std::collections::BTreeMap;

use enforcer_common::layout::{
    AddressGrant, AddressKey, Deadline, NameCount, NameEntry, NameKey, ScopedAddress,
};

use super::compile::Desired;
use super::revocation::NameGrants;

/// The contents of the maps without the protected set and the settings, which are written as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The allowed set.
    pub allowed: BTreeMap<AddressKey, NameCount>,
    /// Cgroups with exceptions.
    pub cgroups: BTreeMap<u64, u32>,
    /// Prefixes of exceptions.
    pub prefixes: BTreeMap<(ScopedAddress, u32), Deadline>,
    /// Addresses of names of exceptions.
    pub addresses: BTreeMap<ScopedAddress, Deadline>,
    /// Allowed names.
    pub names: BTreeMap<NameKey, NameEntry>,
    /// Grants of addresses to names.
    pub name_addresses: BTreeMap<AddressGrant, Deadline>,
    /// DNS servers whose answers are snooped.
    pub resolvers: BTreeMap<AddressKey, u32>,
    /// Which names may grant addresses by snooping. It is in no map, so it is empty for maps of an earlier daemon.
    pub name_grants: NameGrants,
}

impl Held {
    /// The contents of the maps once `desired` is in force.
    pub fn of(desired: &Desired) -> Self {
        Self {
            allowed: desired.allowed.clone(),
            cgroups: desired.cgroups.clone(),
            prefixes: desired.prefixes.clone(),
            addresses: desired.addresses.clone(),
            names: desired.names.clone(),
            name_addresses: desired.name_addresses.clone(),
            resolvers: desired.resolvers.clone(),
            name_grants: desired.name_grants.clone(),
        }
    }
}

/// The changes of one map, in the order of their keys. Writes come before removals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapChanges<K, V> {
    /// Entries to insert or overwrite.
    pub write: Vec<(K, V)>,
    /// Keys to remove.
    pub remove: Vec<K>,
}

impl<K: Ord + Clone, V: PartialEq + Clone> MapChanges<K, V> {
    fn between(held: &BTreeMap<K, V>, desired: &BTreeMap<K, V>) -> Self {
        let changed = desired
            .iter()
            .filter(|(key, value)| held.get(key) != Some(value));
        let gone = held.keys().filter(|key| !desired.contains_key(key));
        Self {
            write: changed
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            remove: gone.cloned().collect(),
        }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.write.is_empty() && self.remove.is_empty()
    }
}

/// The changes of all maps that are changed entry by entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The allowed set.
    pub allowed: MapChanges<AddressKey, NameCount>,
    /// Cgroups with exceptions.
    pub cgroups: MapChanges<u64, u32>,
    /// Prefixes of exceptions.
    pub prefixes: MapChanges<(ScopedAddress, u32), Deadline>,
    /// Addresses of names of exceptions.
    pub addresses: MapChanges<ScopedAddress, Deadline>,
    /// Allowed names.
    pub names: MapChanges<NameKey, NameEntry>,
    /// Grants of addresses to names.
    pub name_addresses: MapChanges<AddressGrant, Deadline>,
    /// DNS servers whose answers are snooped.
    pub resolvers: MapChanges<AddressKey, u32>,
}

impl Changes {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.allowed.is_empty()
            && self.cgroups.is_empty()
            && self.prefixes.is_empty()
            && self.addresses.is_empty()
            && self.names.is_empty()
            && self.name_addresses.is_empty()
            && self.resolvers.is_empty()
    }
}

/// Computes the changes from `held` to `desired`.
pub fn diff(held: &Held, desired: &Desired) -> Changes {
    Changes {
        allowed: MapChanges::between(&held.allowed, &desired.allowed),
        cgroups: MapChanges::between(&held.cgroups, &desired.cgroups),
        prefixes: MapChanges::between(&held.prefixes, &desired.prefixes),
        addresses: MapChanges::between(&held.addresses, &desired.addresses),
        names: MapChanges::between(&held.names, &desired.names),
        name_addresses: MapChanges::between(&held.name_addresses, &desired.name_addresses),
        resolvers: MapChanges::between(&held.resolvers, &desired.resolvers),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn applying_the_changes_gives_the_desired_contents(
            mut held in prop::collection::btree_map(0u8..20, 0u8..3, 0..20),
            desired in prop::collection::btree_map(0u8..20, 0u8..3, 0..20),
        ) {
            let changes = MapChanges::between(&held, &desired);
            prop_assert_eq!(changes.is_empty(), held == desired);
            for (key, value) in changes.write {
                prop_assert_ne!(held.insert(key, value), Some(value), "an entry is written only to change it");
            }
            for key in changes.remove {
                prop_assert!(held.remove(&key).is_some());
            }
            prop_assert_eq!(held, desired);
        }
    }
}
