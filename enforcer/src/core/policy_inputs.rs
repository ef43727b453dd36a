//! Allowed names for the kernel: the addresses of each, and the cgroups that they are allowed for. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use enforcer_common::layout::Snooping;

use super::inherited::Inherited;
use super::patterns::Patterns;
use super::registry_names::RegistryNames;
use super::state::State;
use crate::name::Name;
use crate::policy::{EVERYBODY, NameIds, NameInput, Scope};
use crate::resolver::cache::Cache;
use crate::sources::Sources;

/// The port of DNS (RFC 1035 section 4.2.1).
const DNS_PORT: u16 = 53;

/// Names by their text.
struct Known<'a> {
    sources: &'a Sources,
    ids: &'a mut NameIds,
    names: BTreeMap<String, NameInput>,
}

impl Known<'_> {
    /// Allows the addresses of a name for `scopes`.
    fn allow(&mut self, name: &str, home: &Name, scopes: &[Scope]) -> &mut NameInput {
        let ids = &mut *self.ids;
        let input = self.names.entry(name.to_owned());
        let input = input.or_insert_with(|| NameInput {
            text: name.to_owned(),
            id: ids.id(name),
            flags: self.sources.home_flags(home),
            ..NameInput::default()
        });
        input.scopes.extend(scopes);
        input
    }
}

/// State that the names of the policy are derived from.
pub(crate) struct PolicyInputs<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) cache: &'a Cache,
    pub(crate) registries: &'a RegistryNames,
    pub(crate) patterns: &'a Patterns,
    pub(crate) inherited: &'a Inherited,
}

impl PolicyInputs<'_> {
    /// Returns all names: of registries, of their patterns, and of exceptions with their scopes.
    pub(crate) fn names<'a>(
        &self,
        exceptions: impl Iterator<Item = (&'a [Name], Vec<Scope>)>,
        ids: &mut NameIds,
    ) -> Vec<NameInput> {
        let named = self.addresses().into_iter().collect();
        let mut known = Known {
            sources: self.sources,
            ids,
            names: BTreeMap::new(),
        };
        for (name, unchecked) in self.registries.iter() {
            let input = known.allow(name.as_str(), name, &[everybody(unchecked)]);
            input.departed = !self.sources.registry_names().any(|named| named == name);
            input.inherited = self.inherited.of(input.id, &named).collect();
        }
        for (pattern, unchecked, departed) in self.patterns.of(self.sources) {
            let text = pattern.as_str();
            let input = known.allow(text, pattern.example(), &[everybody(unchecked)]);
            input.departed = departed;
            input.addresses.extend(self.patterns.addresses(pattern));
            input.inherited = self.inherited.of(input.id, &named).collect();
        }
        for (names, scopes) in exceptions {
            for name in names {
                known.allow(name.as_str(), name, &scopes);
            }
        }
        let mut names: Vec<NameInput> = known.names.into_values().collect();
        for input in &mut names {
            self.add_addresses(input);
        }
        names
    }

    /// Returns the addresses allowed for all cgroups, once for each name that resolves to them.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let whole = self.registries.addresses(self.cache).into_iter();
        let all = whole.chain(self.patterns.all_addresses());
        all.map(|ip| self.sources.effective_address(ip)).collect()
    }

    /// Adds the addresses from DNS answers.
    fn add_addresses(&self, input: &mut NameInput) {
        let named = |(name, _): &(&Name, _)| name.as_str() == input.text;
        if let Some((_, entry)) = self.cache.entries().find(named) {
            let addresses = entry.addresses().map(|(address, _)| address);
            input.addresses.extend(addresses);
        }
        for address in &mut input.addresses {
            *address = self.sources.effective_address(*address);
        }
        input.addresses.sort_unstable();
        input.addresses.dedup();
    }
}

fn everybody(unchecked: bool) -> Scope {
    Scope {
        unchecked,
        ..EVERYBODY
    }
}

impl State {
    /// Returns the kernel's DNS snooping settings.
    pub(crate) fn snooping(&self) -> Snooping {
        let dns = &self.sources.config.dns;
        Snooping {
            linger: u64::try_from(dns.linger.as_nanos()).unwrap_or(u64::MAX),
            network: self.run.network,
            enabled: u32::from(dns.snoop),
            reserved: 0,
        }
    }

    /// Returns the DNS servers whose answers the kernel trusts.
    pub(crate) fn believed_servers(&self) -> Vec<IpAddr> {
        let believed = |ip: &IpAddr| is_believed(*ip, &self.sources.config.dns.servers);
        let servers = self.exempt().iter().copied();
        servers.filter(believed).collect()
    }
}

/// Returns whether an address identifies a server for the kernel: not if it uses another port than 53, and not if it is link-local, as
/// another machine may have it on another interface.
fn is_believed(ip: IpAddr, configured: &[SocketAddr]) -> bool {
    let is_local = matches!(ip.to_canonical(), IpAddr::V6(ip) if ip.is_unicast_link_local());
    let mut configured = configured.iter();
    !is_local && !configured.any(|server| server.ip() == ip && server.port() != DNS_PORT)
}

#[cfg(test)]
mod tests;
