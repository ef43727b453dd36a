//! The status of allowed names and of their addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::alarm_kind::AlarmKind;
use super::health::failure;
use super::policy_inputs::PolicyInputs;
use super::snapshot::{AddressStatus, Alarm, NameStatus, PatternStatus, RemovedName};
use super::state::State;
use crate::azure::endpoints::Endpoint;
use crate::config::{EndpointKind, EndpointPattern, Registry, Sni};
use crate::name::Name;
use crate::resolver::answer::Family;
use crate::resolver::cache::{AddressEntry, NameEntry};

impl State {
    /// Returns the names that resolve to `address`, in order.
    pub(crate) fn names_of(&self, address: IpAddr) -> Vec<Name> {
        let resolves_there = |entry: &NameEntry| {
            entry
                .addresses()
                .any(|(found, _)| self.sources.effective_address(found) == address)
        };
        let entries = self
            .cache
            .entries()
            .filter(|(_, entry)| resolves_there(entry));
        entries.map(|(name, _)| name.clone()).collect()
    }

    /// Returns the name that cgroup `cgroup`, or else another program, asked DNS for and was given `address`, if it is not allowed; and
    /// whether it was another program.
    pub(crate) fn queried_name(&self, cgroup: u64, address: IpAddr) -> Option<(&Name, bool)> {
        let asked = &self.queried_names;
        let found = asked.name_of(cgroup, address, self.now.since_start);
        // It may have been allowed since.
        found.filter(|(name, _)| !self.sources.all_names().any(|allowed| allowed == *name))
    }

    pub(super) fn pattern_statuses(&self, registry: &Registry) -> Vec<PatternStatus> {
        let status = |pattern: &EndpointPattern| PatternStatus {
            pattern: pattern.to_string(),
            addresses: self.patterns.addresses(pattern).collect(),
        };
        registry.patterns.iter().map(status).collect()
    }

    /// Returns the allowed addresses that no current name or pattern of a registry has, as the rule applies to them.
    pub(super) fn lingering(&self) -> Vec<IpAddr> {
        let origins = PolicyInputs {
            sources: &self.sources,
            cache: &self.cache,
            registries: &self.registries,
            patterns: &self.patterns,
            inherited: &self.inherited,
        };
        let current: BTreeSet<&Name> = self.sources.registry_names().collect();
        let entries = self.cache.entries();
        let entries = entries.filter(|(name, _)| current.contains(name));
        let named = entries.flat_map(|(_, entry)| entry.addresses().map(|(address, _)| address));
        let patterns = self.sources.patterns();
        let matching = patterns.flat_map(|(pattern, _)| self.patterns.addresses(pattern));
        let effective = |address| self.sources.effective_address(address);
        let reported: BTreeSet<IpAddr> = named.chain(matching).map(effective).collect();
        let allowed: BTreeSet<IpAddr> = origins
            .inherited
            .beside(origins.addresses())
            .into_iter()
            .collect();
        allowed.difference(&reported).copied().collect()
    }

    /// Returns the names and patterns that left the registries and stay allowed.
    pub(super) fn removed_names(&self) -> Vec<RemovedName> {
        let current: BTreeSet<&Name> = self.sources.registry_names().collect();
        let names = self.registries.iter();
        let names = names.filter(|(name, _)| !current.contains(name));
        let names = names.map(|(name, unchecked)| (name.to_string(), unchecked));
        let patterns = self.patterns.of(&self.sources);
        let patterns = patterns.into_iter().filter(|(_, _, departed)| *departed);
        let patterns = patterns.map(|(pattern, unchecked, _)| (pattern.to_string(), unchecked));
        let removed = names.chain(patterns);
        let removed = removed.map(|(name, unchecked)| RemovedName {
            name,
            sni: if unchecked { Sni::Off } else { Sni::Required },
        });
        removed.collect()
    }

    /// Returns the status of an endpoint; `index` is that of its registry in the configuration.
    pub(super) fn endpoint_status(&self, index: usize, endpoint: &Endpoint) -> NameStatus {
        let name = &endpoint.name;
        let (origin, confirmed) = self
            .dynamic
            .provenance(&self.sources, index, name, self.now);
        NameStatus {
            confirmed,
            ..self.name_status(name, Some(endpoint.kind), origin)
        }
    }

    pub(super) fn name_status(
        &self,
        name: &Name,
        kind: Option<EndpointKind>,
        origin: String,
    ) -> NameStatus {
        let mut status = NameStatus {
            name: name.clone(),
            kind,
            origin,
            confirmed: None,
            addresses: Vec::new(),
            chain: Vec::new(),
            resolved: None,
            failing: None,
            refused: Vec::new(),
        };
        let found = self.cache.entries().find(|(found, _)| *found == name);
        if let Some((_, entry)) = found {
            self.describe(entry, &mut status);
        }
        status
    }

    fn describe(&self, entry: &NameEntry, status: &mut NameStatus) {
        let linger = self.sources.config.dns.linger;
        let addresses = entry.addresses();
        status.addresses = addresses
            .map(|(address, seen)| self.address_status(address, seen, linger))
            .collect();
        status.chain = entry.chain().to_vec();
        let families = [Family::V4, Family::V6].map(|family| entry.family(family));
        let resolved = families
            .iter()
            .filter_map(|family| family.last_success)
            .max();
        status.resolved = resolved.map(|at| self.now.wall_at(at));
        let since = families
            .iter()
            .filter_map(|family| family.failing.as_ref())
            .map(|f| f.since);
        let since = since
            .max()
            .map_or(self.run.started, |at| self.now.wall_at(at));
        status.failing = failure(entry).map(|message| Alarm {
            kind: AlarmKind::NameFailing.word().to_owned(),
            since,
            message,
        });
        let refused = entry.refused();
        status.refused = refused
            .map(|(address, refusal)| format!("{address}: {}", refusal.reason))
            .collect();
    }

    fn address_status(
        &self,
        address: IpAddr,
        seen: &AddressEntry,
        linger: Duration,
    ) -> AddressStatus {
        let now = self.now.since_start;
        let left_out = seen.omitted_age(now);
        AddressStatus {
            address,
            first_seen: self.now.wall_before(seen.first_seen_age(now)),
            last_seen: self.now.wall_before(seen.last_seen_age(now)),
            remaining: linger
                .saturating_sub(left_out.unwrap_or_default())
                .as_secs(),
            untagged: seen.is_untagged(),
            lingers: left_out.is_some(),
            snooped: seen.is_snooped() && seen.pinned().is_none(),
            hosts_line: seen.pinned(),
        }
    }
}
