//! Which names are resolved, and for whom their addresses are open.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::sources::Sources;
use crate::name::Name;
use crate::resolver::cache::Cache;

/// Names of registries: those of the policy in force, and those that left it and whose addresses linger. A name that only an exception
/// wants is not among them, whatever it was before: its addresses are that exception's alone.
#[derive(Debug, Default)]
pub(super) struct RegistryNames {
    names: BTreeSet<Name>,
}

impl RegistryNames {
    /// Takes the registries' names of `sources`; former ones stay while their addresses linger in `cache`.
    pub(super) fn update(&mut self, sources: &Sources, cache: &Cache) {
        let departed = cache.entries().filter(|(_, entry)| entry.is_departed());
        let lingering: BTreeSet<&Name> = departed.map(|(name, _)| name).collect();
        self.names.retain(|name| lingering.contains(name));
        self.names.extend(sources.registry_names().cloned());
    }

    /// The addresses of these names, each as often as names lead there.
    pub(super) fn addresses(&self, cache: &Cache) -> Vec<IpAddr> {
        let entries = cache
            .entries()
            .filter(|(name, _)| self.names.contains(name));
        entries
            .flat_map(|(_, entry)| entry.addresses().map(|(address, _)| address))
            .collect()
    }
}

impl Sources {
    /// The names of all registries.
    pub(super) fn registry_names(&self) -> impl Iterator<Item = &Name> {
        self.endpoints
            .iter()
            .flatten()
            .map(|endpoint| &endpoint.name)
    }

    /// All names that are resolved.
    pub(super) fn all_names(&self) -> impl Iterator<Item = &Name> {
        let exceptions = self
            .config
            .exceptions
            .iter()
            .flat_map(|exception| &exception.names);
        self.registry_names().chain(exceptions)
    }
}
