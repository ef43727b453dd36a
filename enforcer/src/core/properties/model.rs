//! A model of the kernel's maps.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use enforcer_common::layout::{
    AddressGrant, AddressKey, Deadline, Settings, SnoopedGrant, Switches,
};

use super::super::effect::{ObservationsRemoval, PolicyChange};
use super::super::event::{ApplyFailure, Observation};
use super::action::Failure;
use crate::policy::{Held, MapChanges, address, diff, revoked_grants};

/// The maps that the core writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Maps {
    pub(super) held: Held,
    pub(super) settings: Settings,
    pub(super) snooped: BTreeMap<AddressGrant, SnoopedGrant>,
}

impl Maps {
    /// Applies a change, or simulates a failure.
    pub(super) fn apply(
        &mut self,
        change: &PolicyChange,
        failure: Failure,
    ) -> Result<(), Box<ApplyFailure>> {
        let is_unreadable = failure.is_unreadable();
        if change.reads_held && is_unreadable {
            return Err(self.failure(is_unreadable));
        }
        let change = &self.known(change);
        match failure {
            Failure::None | Failure::Elsewhere => {
                self.write(change);
                self.remove(change);
                let once = self.clone();
                self.write(change);
                self.remove(change);
                assert_eq!(*self, once, "applying twice leaves the same maps");
                return Ok(());
            }
            // Writes are rolled back.
            Failure::Refused | Failure::Unreadable => {}
            // Removals fail: writes stay.
            Failure::Partial | Failure::PartialUnreadable => self.write(change),
        }
        Err(self.failure(is_unreadable))
    }

    fn failure(&self, is_unreadable: bool) -> Box<ApplyFailure> {
        Box::new(ApplyFailure {
            message: "the kernel refuses".to_owned(),
            maps: if is_unreadable {
                Err("the maps cannot be read".to_owned())
            } else {
                Ok((self.read(), self.settings))
            },
        })
    }

    /// Returns the change from what the maps hold, if it is to read that.
    fn known(&self, change: &PolicyChange) -> PolicyChange {
        let mut change = change.clone();
        if change.reads_held {
            let prefixes = change.held.prefixes.clone();
            change.held = Arc::new(Held {
                prefixes,
                ..self.read()
            });
        }
        change
    }

    /// Changes the mode, as root can.
    pub(super) fn change_mode(&mut self) {
        let switches = self.settings.switches;
        self.settings.switches = Switches::new(!switches.audits(), switches.default_allows(), true);
    }

    /// Returns what a daemon reads back: prefixes cannot be listed, and grants are in no map.
    pub(super) fn read(&self) -> Held {
        Held {
            prefixes: BTreeMap::new(),
            name_grants: Default::default(),
            ..self.held.clone()
        }
    }

    /// Returns the observations with their deadlines.
    pub(super) fn observations(&self) -> Vec<(AddressGrant, Deadline)> {
        let snooped = self.snooped.iter();
        snooped.map(|(grant, of)| (*grant, of.deadline)).collect()
    }

    /// Returns the observations as the core receives them.
    pub(super) fn listed(&self) -> Vec<Observation> {
        let snooped = self.snooped.iter();
        snooped.map(|(grant, of)| (*grant, *of)).collect()
    }

    pub(super) fn remove_observations(&mut self, removal: &ObservationsRemoval) {
        for grant in removal.done.iter().chain(&removal.revoked) {
            self.snooped.remove(grant);
        }
    }

    fn write(&mut self, change: &PolicyChange) {
        let desired = &change.desired;
        let changes = diff(&change.held, desired);
        write(&mut self.held.allowed, &changes.allowed);
        write(&mut self.held.cgroups, &changes.cgroups);
        write(&mut self.held.prefixes, &changes.prefixes);
        write(&mut self.held.addresses, &changes.addresses);
        write(&mut self.held.names, &changes.names);
        write(&mut self.held.name_addresses, &changes.name_addresses);
        write(&mut self.held.resolvers, &changes.resolvers);
        self.settings = Settings::new(
            desired.switches,
            desired.exception_level,
            change.generation,
            self.settings.epoch,
            desired.snooping,
        );
    }

    fn remove(&mut self, change: &PolicyChange) {
        let changes = diff(&change.held, &change.desired);
        remove(&mut self.held.allowed, &changes.allowed);
        remove(&mut self.held.cgroups, &changes.cgroups);
        remove(&mut self.held.prefixes, &changes.prefixes);
        remove(&mut self.held.addresses, &changes.addresses);
        remove(&mut self.held.names, &changes.names);
        remove(&mut self.held.name_addresses, &changes.name_addresses);
        remove(&mut self.held.resolvers, &changes.resolvers);
        self.held.name_grants = change.desired.name_grants.clone();
        for grant in revoked_grants(&self.observations(), &self.held.name_grants) {
            self.snooped.remove(&grant);
        }
    }
}

/// Returns the key of an address in the maps.
pub(super) fn key(ip: IpAddr) -> AddressKey {
    address(ip).key()
}

fn write<K: Ord + Clone, V: Clone>(map: &mut BTreeMap<K, V>, changes: &MapChanges<K, V>) {
    map.extend(changes.write.iter().cloned());
}

fn remove<K: Ord, V>(map: &mut BTreeMap<K, V>, changes: &MapChanges<K, V>) {
    for key in &changes.remove {
        map.remove(key);
    }
}
