//! Names of registries, whose addresses are allowed for all cgroups.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::config::Sni;
use crate::name::Name;
use crate::resolver::cache::Cache;
use crate::sources::Sources;

/// Names of registries in the policy in force, and removed ones whose addresses linger. A name that only an exception lists is excluded,
/// even if a registry had it before: its addresses are allowed for that exception alone.
#[derive(Debug, Default)]
pub(crate) struct RegistryNames {
    /// With whether the server name is unchecked.
    names: BTreeMap<Name, bool>,
}

impl RegistryNames {
    /// Adopts the registries' names of `sources`; removed ones stay while their addresses linger in `cache`.
    pub(crate) fn update(&mut self, sources: &Sources, cache: &Cache) {
        let departed = cache.entries().filter(|(_, entry)| entry.is_departed());
        let lingering: BTreeSet<&Name> = departed.map(|(name, _)| name).collect();
        self.names.retain(|name, _| lingering.contains(name));
        let registries = sources.config.registries.iter().zip(&sources.endpoints);
        for (registry, endpoints) in registries {
            let unchecked = registry.sni == Sni::Off;
            let names = endpoints.iter().map(|endpoint| endpoint.name.clone());
            self.names.extend(names.map(|name| (name, unchecked)));
        }
    }

    /// Returns the names, each with whether the server name is unchecked.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, bool)> {
        self.names
            .iter()
            .map(|(name, unchecked)| (name, *unchecked))
    }

    /// Returns the addresses of these names, once for each name that resolves to them.
    pub(crate) fn addresses(&self, cache: &Cache) -> Vec<IpAddr> {
        let entries = cache
            .entries()
            .filter(|(name, _)| self.names.contains_key(name));
        entries
            .flat_map(|(_, entry)| entry.addresses().map(|(address, _)| address))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::resolver::answer::{Answer, AnswerVerdict, LookupFailure, Resolved};
    use crate::resolver::cache::CacheSettings;

    const REGISTRY: &str = "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\n";
    const EXCEPTION: &str = "registry = []\n[[exception]]\nreason = \"one unit pulls\"\nunit = \"puller.service\"\n\
        names = [\"contoso.azurecr.io\"]\nuntil = 2999-01-01T00:00:00Z\n";

    fn resolved() -> (Name, Cache) {
        let name: Name = "contoso.azurecr.io".parse().unwrap();
        let mut cache = Cache::new(CacheSettings::default());
        cache.set_names([name.clone()], Duration::ZERO);
        let answer = Answer {
            v4: Ok(Resolved {
                addresses: vec!["20.42.66.0".parse().unwrap()],
                ttl: Duration::from_secs(10),
                chain: Vec::new(),
            }),
            v6: Err(LookupFailure::NoAddress { ttl: None }),
        };
        cache.answered_whole(&name, answer, &|_, _| AnswerVerdict::Accept, Duration::ZERO);
        (name, cache)
    }

    #[test]
    fn a_name_moved_to_an_exception_is_not_allowed_for_all_cgroups() {
        let (name, mut cache) = resolved();
        let mut registries = RegistryNames::default();
        registries.update(&Sources::of_text(REGISTRY), &cache);
        assert_eq!(registries.addresses(&cache).len(), 1);
        cache.set_names([name], Duration::from_secs(1));
        registries.update(&Sources::of_text(EXCEPTION), &cache);
        assert!(registries.addresses(&cache).is_empty());
    }

    #[test]
    fn a_removed_name_keeps_its_addresses_while_they_linger() {
        let (_, mut cache) = resolved();
        let mut registries = RegistryNames::default();
        registries.update(&Sources::of_text(REGISTRY), &cache);
        cache.set_names([], Duration::from_secs(1));
        registries.update(&Sources::of_text("registry = []"), &cache);
        assert_eq!(registries.addresses(&cache).len(), 1);
        cache.expire(Duration::from_secs(3600));
        registries.update(&Sources::of_text("registry = []"), &cache);
        assert!(registries.addresses(&cache).is_empty());
    }
}
