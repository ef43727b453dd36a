//! Which names are resolved, and for whom their addresses are open.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::sources::Sources;
use crate::name::Name;
use crate::resolver::cache::Cache;

/// Names of registries: those of the policy in force, and those that left it and whose addresses linger.
#[derive(Debug, Default)]
pub(super) struct RegistryNames {
    names: BTreeSet<Name>,
}

impl RegistryNames {
    /// Takes the registries' names of `sources`; former ones stay as long as `cache` holds addresses for them.
    pub(super) fn update(&mut self, sources: &Sources, cache: &Cache) {
        let lingering: BTreeSet<&Name> = cache.entries().map(|(name, _)| name).collect();
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
