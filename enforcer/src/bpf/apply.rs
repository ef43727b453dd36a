//! Applies a policy change to the maps.

use std::collections::BTreeMap;

use aya::Pod;
use aya::maps::lpm_trie::Key;
use aya::maps::{Array, HashMap, MapData, MapError};
use enforcer_common::layout::Settings;
use enforcer_common::tables::interval::MAX_ROWS;
use enforcer_common::tables::stride::MAX_BLOCKS;

use super::maps::{BlockMap, Maps, RowMap};
use crate::policy::{Desired, Held, MapChanges, Tables, diff};
use crate::sys::{KernelError, boot_clock};

impl Maps {
    /// Reads the maps that are changed entry by entry, after loading the programs: the trie of prefixes is new and empty.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn held(&self) -> Result<Held, KernelError> {
        Ok(Held {
            allowed: entries(&self.allowed)?,
            cgroups: entries(&self.cgroups)?,
            addresses: entries(&self.addresses)?,
            names: entries(&self.names)?,
            name_addresses: entries(&self.name_addresses)?,
            resolvers: entries(&self.resolvers)?,
            prefixes: BTreeMap::new(),
            name_grants: BTreeMap::new(),
        })
    }

    /// Applies the change from `held` to `desired`: first additions, then the protected set and the settings, last removals. `tables` is the new protected
    /// set, if that changed.
    ///
    /// # Errors
    /// The first error of the kernel. Entries that were already written are rolled back, so the old policy stays in force, unless only removals failed: then
    /// the new one is in force, with entries of the old one.
    pub fn apply(
        &mut self,
        held: &Held,
        desired: &Desired,
        tables: bool,
        generation: u64,
    ) -> Result<(), KernelError> {
        let changes = diff(held, desired);
        let fresh = if tables {
            Some(Generation::write(&desired.tables)?)
        } else {
            None
        };
        let settings = Settings::new(
            desired.switches,
            desired.exception_level,
            generation,
            self.settings()?.epoch,
            desired.snooping,
        );
        let changed = self
            .write_entries(&changes)
            .and_then(|()| self.switch_all(fresh, settings));
        if let Err(error) = changed {
            self.roll_back(held, &changes);
            return Err(error);
        }
        let removed = self.remove_entries(&changes);
        let revoked = self.remove_revoked(&desired.name_grants);
        // Even if an entry stayed: open connections must not keep the grants that are gone.
        let begun = self.begin_epoch(settings);
        removed.and(revoked).and(begun)
    }

    /// Writes names and their addresses before the allowed addresses, so that no address is allowed without its name.
    fn write_entries(&mut self, changes: &crate::policy::Changes) -> Result<(), KernelError> {
        write(&mut self.names, &changes.names, "an allowed name")?;
        write(
            &mut self.name_addresses,
            &changes.name_addresses,
            "an address of a name",
        )?;
        write(&mut self.resolvers, &changes.resolvers, "a resolver")?;
        write(
            &mut self.allowed,
            &changes.allowed,
            "an address of an allowed name",
        )?;
        write(
            &mut self.addresses,
            &changes.addresses,
            "an address of an exception",
        )?;
        for ((key, bits), deadline) in &changes.prefixes.write {
            let what = "write a prefix of an exception";
            let key = Key::new(*bits, *key);
            self.prefixes
                .insert(&key, deadline, 0)
                .map_err(KernelError::failed(what))?;
        }
        write(
            &mut self.cgroups,
            &changes.cgroups,
            "a cgroup with exceptions",
        )
    }

    /// Removes as many entries as the kernel lets it, and returns the first error.
    fn remove_entries(&mut self, changes: &crate::policy::Changes) -> Result<(), KernelError> {
        let removed = [
            remove(&mut self.cgroups, &changes.cgroups.remove),
            remove(&mut self.allowed, &changes.allowed.remove),
            remove(&mut self.addresses, &changes.addresses.remove),
            remove(&mut self.name_addresses, &changes.name_addresses.remove),
            remove(&mut self.names, &changes.names.remove),
            remove(&mut self.resolvers, &changes.resolvers.remove),
        ];
        let prefixes = changes.prefixes.remove.iter().map(|(key, bits)| {
            let key = Key::new(*bits, *key);
            gone(self.prefixes.remove(&key)).map_err(KernelError::failed("remove a prefix"))
        });
        removed
            .into_iter()
            .chain(prefixes)
            .fold(Ok(()), Result::and)
    }

    /// Rolls back `write_entries`, as far as the kernel allows: removes new entries, and restores old values.
    fn roll_back(&mut self, held: &Held, changes: &crate::policy::Changes) {
        restore(&mut self.allowed, &held.allowed, &changes.allowed);
        restore(&mut self.addresses, &held.addresses, &changes.addresses);
        restore(&mut self.cgroups, &held.cgroups, &changes.cgroups);
        restore(&mut self.names, &held.names, &changes.names);
        restore(
            &mut self.name_addresses,
            &held.name_addresses,
            &changes.name_addresses,
        );
        restore(&mut self.resolvers, &held.resolvers, &changes.resolvers);
        for ((key, bits), _) in &changes.prefixes.write {
            let entry = Key::new(*bits, *key);
            let undone = match held.prefixes.get(&(*key, *bits)) {
                Some(deadline) => self.prefixes.insert(&entry, deadline, 0),
                None => self.prefixes.remove(&entry),
            };
            if let Err(error) = gone(undone) {
                tracing::warn!(%error, "a prefix of an exception could not be rolled back");
            }
        }
    }

    fn switch_all(
        &mut self,
        fresh: Option<Generation>,
        settings: Settings,
    ) -> Result<(), KernelError> {
        if let Some(fresh) = fresh {
            self.switch(&fresh)?;
        }
        self.write_settings(settings)
    }

    /// Makes verified connections look up their grants again. Must be called after all removals: a flow keeps what it looks up in the new epoch until the
    /// next one. No two versions share an epoch.
    pub(super) fn begin_epoch(&mut self, settings: Settings) -> Result<(), KernelError> {
        let epoch = boot_clock();
        self.write_settings(Settings { epoch, ..settings })
    }

    fn write_settings(&mut self, settings: Settings) -> Result<(), KernelError> {
        self.settings
            .set(0, &settings, 0)
            .map_err(KernelError::failed("write the settings"))
    }

    /// Puts a protected set in force, for both families or none.
    fn switch(&mut self, fresh: &Generation) -> Result<(), KernelError> {
        let what = "switch to the new protected set";
        let before = self.protected_v4.get(&0, 0).ok();
        self.protected_v4
            .set(0, &fresh.blocks, 0)
            .map_err(KernelError::failed(what))?;
        let switched = self.protected_v6.set(0, &fresh.rows, 0);
        if switched.is_err()
            && let Some(before) = before
        {
            self.protected_v4
                .set(0, &before, 0)
                .map_err(KernelError::failed(what))?;
        }
        switched.map_err(KernelError::failed(what))
    }
}

/// A protected set that was written and read back, but is not in force.
struct Generation {
    blocks: BlockMap,
    rows: RowMap,
}

impl Generation {
    fn write(tables: &Tables) -> Result<Self, KernelError> {
        let blocks = written(&tables.blocks, MAX_BLOCKS, "IPv4")?;
        let rows = written(&tables.rows, MAX_ROWS, "IPv6")?;
        Ok(Self { blocks, rows })
    }
}

fn written<V: Pod + PartialEq>(
    values: &[V],
    capacity: u32,
    family: &'static str,
) -> Result<Array<MapData, V>, KernelError> {
    let what = || format!("write the new {family} set");
    let mut map = Array::create(capacity, 0).map_err(KernelError::failed(what()))?;
    for (index, value) in (0..).zip(values) {
        map.set(index, value, 0)
            .map_err(KernelError::failed(what()))?;
    }
    for (index, value) in (0..).zip(values) {
        let read: V = map.get(&index, 0).map_err(KernelError::failed(what()))?;
        if read != *value {
            return Err(KernelError::ReadBack { what: family });
        }
    }
    Ok(map)
}

fn entries<K: Pod + Ord, V: Pod>(
    map: &HashMap<MapData, K, V>,
) -> Result<BTreeMap<K, V>, KernelError> {
    let read: Result<_, MapError> = map.iter().collect();
    read.map_err(KernelError::failed("read the maps"))
}

fn write<K: Pod, V: Pod>(
    map: &mut HashMap<MapData, K, V>,
    changes: &MapChanges<K, V>,
    what: &str,
) -> Result<(), KernelError> {
    for (key, value) in &changes.write {
        map.insert(key, value, 0)
            .map_err(KernelError::failed(format!("write {what}")))?;
    }
    Ok(())
}

/// Removes as many entries as the kernel lets it, and returns the first error.
pub(super) fn remove<K: Pod, V: Pod>(
    map: &mut HashMap<MapData, K, V>,
    keys: &[K],
) -> Result<(), KernelError> {
    keys.iter()
        .map(|key| gone(map.remove(key)).map_err(KernelError::failed("remove an entry")))
        .fold(Ok(()), Result::and)
}

fn restore<K: Pod + Ord, V: Pod>(
    map: &mut HashMap<MapData, K, V>,
    held: &BTreeMap<K, V>,
    changes: &MapChanges<K, V>,
) {
    for (key, _) in &changes.write {
        let undone = match held.get(key) {
            Some(value) => map.insert(key, value, 0),
            None => map.remove(key),
        };
        if let Err(error) = gone(undone) {
            tracing::warn!(%error, "an entry could not be rolled back");
        }
    }
}

/// A missing entry counts as removed.
pub(super) fn gone(removed: Result<(), MapError>) -> Result<(), MapError> {
    match removed {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
        {
            Ok(())
        }
        other => other,
    }
}
