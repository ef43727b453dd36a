//! Keys and numbers of names in the maps.

use std::collections::BTreeMap;

use enforcer_common::layout::{AddressGrant, NAME_BYTES, NameEntry, NameKey};

/// The numbers of names. They are hashes of the names, so they are the same after a restart and in another version.
#[derive(Clone, Debug, Default)]
pub struct NameIds {
    ids: BTreeMap<NameKey, u32>,
}

impl NameIds {
    /// Returns the numbers that the maps hold.
    pub fn of(held: &BTreeMap<NameKey, NameEntry>) -> Self {
        let ids = held.iter().map(|(key, entry)| (*key, entry.id)).collect();
        Self { ids }
    }

    /// Returns the number of a name.
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

    /// Returns the name with this number.
    pub fn name(&self, id: u32) -> Option<String> {
        let (key, _) = self.ids.iter().find(|(_, known)| **known == id)?;
        Some(text(key))
    }

    /// Drops the names that are not among `names`.
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

/// Returns the key of a name, which has at most 253 bytes.
pub fn key(name: &str) -> NameKey {
    let mut key = [0; NAME_BYTES];
    for (to, from) in key.iter_mut().zip(name.bytes()) {
        *to = from.to_ascii_lowercase();
    }
    key
}

/// Returns the name in a key or an event.
pub fn text(key: &NameKey) -> String {
    let written = key.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(written).into_owned()
}
