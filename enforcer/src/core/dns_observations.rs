//! Merges DNS answers observed by the kernel programs.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use enforcer_common::dns::PORT;
use enforcer_common::layout::{AddressGrant, AddressKey, Deadline, ScopedAddress};
use enforcer_common::{DnsObservation, ObservationOutcome};

use super::effect::{Effect, ObservationsRemoval};
use super::event::Observation;
use super::observation_budgets::Pair;
use super::queried_names::is_watched;
use super::state::State;
use crate::name::Name;
use crate::policy::{name_key, revoked_grants};
use crate::resolver::answer::Family;
use crate::resolver::answer::{LookupFailure, Resolved};

impl State {
    /// Merges observed addresses, and immediately queries names whose answers the kernel could not use.
    pub(super) fn observed(&mut self, observations: &[(DnsObservation, Option<String>)]) {
        let now = self.now.since_start;
        for (observation, asked) in observations {
            let name = self.ids.name(observation.name);
            if name.as_deref().is_some_and(is_watched) {
                self.asked_for(observation, asked.as_deref(), now);
                continue;
            }
            self.due.sweep = true;
            self.observations.count(observation.outcome);
            self.visibility.observed(observation.cgroup);
            let Some(name) = name else {
                continue;
            };
            if observation.outcome == ObservationOutcome::Allowed as u32 {
                let is_news = self.observe(&name, ip(observation.address), observation.cgroup, now);
                self.due.reconcile |= is_news;
            } else if let Some(Ok(asked)) = asked.as_ref().map(|name| name.parse::<Name>()) {
                self.ask_at_once(&name, &asked, observation.cgroup, now);
            }
        }
    }

    /// Remembers the name that a program asked for, if its answer had an address.
    fn asked_for(&mut self, observation: &DnsObservation, asked: Option<&str>, now: Duration) {
        let asked = asked.and_then(|name| name.parse::<Name>().ok());
        if let Some(name) = asked.filter(|_| observation.address != AddressKey::default()) {
            let address = self.sources.effective_address(ip(observation.address));
            let cgroup = observation.cgroup;
            self.queried_names.answered(cgroup, name, address, now);
        }
    }

    /// Queries the name that cgroup `client` asked for; `known` is that name or its pattern, as the kernel reports it.
    fn ask_at_once(&mut self, known: &str, asked: &Name, client: u64, now: Duration) {
        match self.sources.pattern(known) {
            Some(pattern) => self.patterns.asked.request(pattern, asked, client, now),
            None => self.cache.requery_name_now(asked, now),
        }
    }

    /// Handles the answer of one address family for a name that matches a pattern.
    pub(crate) fn found_for_pattern(
        &mut self,
        name: &Name,
        family: Family,
        answer: Result<Resolved, LookupFailure>,
    ) {
        let now = self.now.since_start;
        let asked = &mut self.patterns.asked;
        let Some((pattern, found)) = asked.answered(name, (family, answer), now) else {
            return;
        };
        for (address, ttl) in found {
            match self.observe_for_pattern(pattern.as_str(), address, ttl, now) {
                Some(is_new) => {
                    self.charge_pattern(pattern.as_str(), address, now);
                    self.due.reconcile |= is_new;
                }
                None => tracing::debug!(%name, %address, "an answer was refused"),
            }
        }
    }

    /// Adds an address to the pattern written as `pattern`; returns whether it is new, or `None` if the answer check refuses it.
    fn observe_for_pattern(
        &mut self,
        pattern: &str,
        address: IpAddr,
        ttl: Duration,
        now: Duration,
    ) -> Option<bool> {
        let pattern = self.sources.pattern(pattern)?;
        let checked = self.sources.check_answer(pattern.example(), address);
        let is_refused = checked.is_refusal();
        (!is_refused).then(|| self.patterns.see(pattern, address, ttl, now))
    }

    /// Merges the observations in the maps: those left by an earlier run, and those whose records were lost.
    pub(super) fn take_over_observations(&mut self, held: Result<Vec<Observation>, String>) {
        let held = held.unwrap_or_else(|error| {
            tracing::warn!("{error}");
            Vec::new()
        });
        let now = self.now.since_start;
        for (grant, snooped) in held {
            let Some(name) = self.ids.name(grant.name) else {
                continue;
            };
            let is_ahead = snooped.deadline > self.now.boot;
            for client in snooped
                .claims
                .into_iter()
                .filter(|client| is_ahead && *client != 0)
            {
                self.observe(&name, ip(grant.address), client, now);
            }
        }
    }

    /// Adds an address from an answer to cgroup `client` to a name or pattern, and returns whether it is new. It lingers from now on; the
    /// answer's TTL is ignored because it may be forged.
    fn observe(&mut self, name: &str, address: IpAddr, client: u64, now: Duration) -> bool {
        if self.sources.pattern(name).is_some() {
            let is_new_address = self.observe_for_pattern(name, address, Duration::ZERO, now);
            match is_new_address {
                Some(_) => self.charge(client, name, address, now),
                None => {
                    self.refused_observations.insert(address);
                }
            }
            return is_new_address.unwrap_or(false);
        }
        let sources = &self.sources;
        let Ok(name) = name.parse::<Name>() else {
            return false;
        };
        let check = |name: &Name, ip: IpAddr| sources.check_answer(name, ip);
        let is_refused = check(&name, address).is_refusal();
        let outcome = self.cache.observe(&name, address, &check, now);
        for (ip, why) in &outcome.refused {
            tracing::warn!(%name, address = %ip, "an observed address is refused: {why}");
        }
        if is_refused {
            self.refused_observations.insert(address);
        } else {
            self.charge(client, name.as_str(), address, now);
        }
        !outcome.added.is_empty()
    }

    /// Removes observations that are expired, covered by the daemon's policy, refused or no longer granted.
    pub(super) fn sweep(&mut self, held: Result<Vec<Observation>, String>) {
        let refused = std::mem::take(&mut self.refused_observations);
        let held = match held {
            Ok(held) => held,
            Err(error) => return tracing::warn!("{error}"),
        };
        let held = held.into_iter();
        let held: Vec<(AddressGrant, Deadline)> = held
            .map(|(grant, snooped)| (grant, snooped.deadline))
            .collect();
        let is_refused = |grant: &AddressGrant| refused.contains(&ip(grant.address));
        let is_done = |(grant, deadline): &(AddressGrant, Deadline)| {
            *deadline <= self.now.boot || self.has_in_force(grant)
        };
        let grants_where = |of: &dyn Fn(&(AddressGrant, Deadline)) -> bool| -> Vec<AddressGrant> {
            let those = held.iter().filter(|one| of(one));
            those.map(|(grant, _)| *grant).collect()
        };
        let mut removal = ObservationsRemoval {
            done: grants_where(&|one| !is_refused(&one.0) && is_done(one)),
            revoked: grants_where(&|one| is_refused(&one.0)),
        };
        if self.is_in_sync() {
            let revoked = revoked_grants(&held, &self.maps.held.name_grants);
            removal.revoked.extend(revoked);
        }
        if removal != ObservationsRemoval::default() {
            self.effects.push(Effect::RemoveObservations(removal));
        }
    }

    fn has_in_force(&self, grant: &AddressGrant) -> bool {
        let held = &self.maps.held;
        if grant.name != AddressGrant::ADDRESS {
            return held.name_addresses.contains_key(grant);
        }
        let scoped = ScopedAddress::new(grant.cgroup, grant.address);
        match grant.cgroup {
            0 => held.allowed.contains_key(&grant.address),
            _ => held.addresses.contains_key(&scoped),
        }
    }
}

fn ip(key: AddressKey) -> IpAddr {
    Ipv6Addr::from(key).to_canonical()
}

impl State {
    /// Notes that an answer to one of the daemon's own queries arrived, which the programs should have observed.
    pub(crate) fn expect_observation(&mut self, name: &Name) {
        if self.maps.held.names.contains_key(&name_key(name.as_str())) {
            self.visibility.answered(self.now.since_start);
        }
    }

    /// Describes why the programs see no DNS answers, unless the configuration explains it.
    pub(crate) fn dns_unobserved(&self) -> Option<String> {
        let servers = self.believed_servers();
        let mut asked = self.resolvers.iter().flat_map(|set| &set.ask);
        let can_be_seen = self.sources.config.dns.snoop
            && asked.all(|server| server.port() == PORT && servers.contains(&server.ip()));
        (can_be_seen && self.visibility.is_blind(self.now.since_start)).then(|| {
            "the kernel programs see no answer to the daemon's own DNS questions, so they see none to other programs: something on this host \
             rewrites DNS out of their sight (another agent's connect program, a service mesh, a transparent proxy). A new address of an allowed \
             name is refused until the daemon itself has resolved the name"
                .to_owned()
        })
    }
}

impl State {
    /// Charges an address from an answer to `cgroup` to its budget, and drops the addresses that it displaces.
    pub(crate) fn charge(&mut self, cgroup: u64, name: &str, address: IpAddr, now: Duration) {
        let pair = (name.to_owned(), address);
        for (name, address) in self.budgets.observe(cgroup, pair, &self.cache, now) {
            self.displace(&name, address);
        }
    }

    /// Charges an address from the daemon's own lookup for a pattern, and drops the addresses that it displaces.
    pub(crate) fn charge_pattern(&mut self, pattern: &str, address: IpAddr, now: Duration) {
        let pair = (pattern.to_owned(), address);
        for pair in self.budgets.pattern_answers.observe(0, pair, now) {
            if !self.budgets.observed.holds(&pair) {
                self.displace(&pair.0, pair.1);
            }
        }
    }

    fn displace(&mut self, name: &str, address: IpAddr) {
        if let Some(pattern) = self.sources.pattern(name) {
            self.patterns.forget(pattern, address);
        } else if let Ok(name) = name.parse::<Name>() {
            self.cache.forget_observed(&name, address);
        }
    }

    /// Releases budget entries whose address is gone, or whose last observation is older than the linger.
    pub(crate) fn release_budgets(&mut self) {
        let named = self.cache.entries().flat_map(|(name, entry)| {
            let addresses = entry.addresses().map(|(address, _)| address);
            addresses.map(|address| (name.to_string(), address))
        });
        let there: BTreeSet<Pair> = named.chain(self.patterns.pairs()).collect();
        let linger = self.sources.config.dns.linger;
        self.budgets.retain(&there, linger, self.now.since_start);
    }
}
