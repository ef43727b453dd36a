//! Takes over what the programs observed of DNS answers to others.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use enforcer_common::dns::PORT;
use enforcer_common::layout::{AddressGrant, AddressKey, Deadline, ScopedAddress};
use enforcer_common::{DnsObservation, ObservationOutcome};

use super::effect::{Effect, ObservationsRemoval};
use super::event::Observation;
use super::observation_budgets::Pair;
use super::state::State;
use crate::name::Name;
use crate::policy::{name_key, revoked_grants};
use crate::resolver::answer::Family;
use crate::resolver::answer::{LookupFailure, Resolved};

impl State {
    /// Takes over the addresses of these observations, and asks at once for the names of which the kernel could use no answer.
    pub(super) fn observed(&mut self, observations: &[(DnsObservation, Option<String>)]) {
        let now = self.now.since_start;
        for (observation, asked) in observations {
            self.observations.count(observation.outcome);
            self.visibility.observed(observation.cgroup);
            let Some(name) = self.ids.name(observation.name) else {
                continue;
            };
            if observation.outcome == ObservationOutcome::Allowed as u32 {
                let is_news = self.observe(&name, ip(observation.address), observation.cgroup, now);
                self.due.reconcile |= is_news;
            } else if let Some(Ok(asked)) = asked.as_ref().map(|name| name.parse::<Name>()) {
                self.ask_at_once(&name, &asked, observation.cgroup, now);
            }
        }
        self.due.sweep = true;
    }

    /// Makes the daemon ask for what the cgroup `client` asked for and the kernel knows as `known`: itself, or its pattern.
    fn ask_at_once(&mut self, known: &str, asked: &Name, client: u64, now: Duration) {
        match self.sources.pattern(known) {
            Some(pattern) => self.patterns.asked.request(pattern, asked, client, now),
            None => self.cache.requery_name_now(asked, now),
        }
    }

    /// Takes the answer of one family for a name that a pattern stands for.
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

    /// Takes an address in for the pattern that is written so, and says whether it is new there; `None` where it may not be.
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

    /// Takes over what the programs hold: what an earlier run left there, and what was in records that were lost.
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

    /// Takes an address in for a name or a pattern that an answer to the cgroup `client` held, and says whether it is new there. It lingers
    /// from now on; the TTL of that answer does not count, as it may be forged.
    fn observe(&mut self, name: &str, address: IpAddr, client: u64, now: Duration) -> bool {
        if self.sources.pattern(name).is_some() {
            let sighted = self.observe_for_pattern(name, address, Duration::ZERO, now);
            match sighted {
                Some(_) => self.charge(client, name, address, now),
                None => {
                    self.refused_observations.insert(address);
                }
            }
            return sighted.unwrap_or(false);
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

    /// Removes from the programs' own what is in force by the daemon's policy now, or over, and what was refused or is not granted.
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
        let openings = |of: &dyn Fn(&(AddressGrant, Deadline)) -> bool| -> Vec<AddressGrant> {
            let those = held.iter().filter(|one| of(one));
            those.map(|(grant, _)| *grant).collect()
        };
        let mut removal = ObservationsRemoval {
            done: openings(&|one| !is_refused(&one.0) && is_done(one)),
            revoked: openings(&|one| is_refused(&one.0)),
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
    /// Notes that the answer to a question of the daemon's came.
    pub(crate) fn expect_observation(&mut self, name: &Name) {
        if self.maps.held.names.contains_key(&name_key(name.as_str())) {
            self.visibility.answered(self.now.since_start);
        }
    }

    /// What the programs do not see, where that is so and is none of the configuration's doing.
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
    /// Counts an address that an answer to `cgroup` held, and drops what it displaces.
    pub(crate) fn charge(&mut self, cgroup: u64, name: &str, address: IpAddr, now: Duration) {
        let pair = (name.to_owned(), address);
        for (name, address) in self.budgets.observe(cgroup, pair, &self.cache, now) {
            self.displace(&name, address);
        }
    }

    /// Counts an address that the daemon's own lookup found for a pattern, and drops what it displaces.
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

    /// Frees what has ended for other reasons, or was brought in too long ago.
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
