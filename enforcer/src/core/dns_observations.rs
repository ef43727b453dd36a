//! Takes over what the programs observed of DNS answers to others.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use enforcer_common::layout::{AddressGrant, AddressKey, Deadline, ScopedAddress};
use enforcer_common::{DnsObservation, ObservationOutcome};

use super::effect::{Effect, ObservationsRemoval};
use super::event::Observation;
use super::state::State;
use crate::name::Name;
use crate::policy::revoked_grants;
use crate::resolver::answer::Family;
use crate::resolver::answer::{LookupFailure, Resolved};

/// Observations by outcome, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObservationCounts([u64; ObservationOutcome::ALL.len()]);

impl ObservationCounts {
    /// How often each outcome was.
    pub(crate) fn of(&self, outcome: ObservationOutcome) -> u64 {
        self.0.get(outcome as usize).copied().unwrap_or(0)
    }

    fn count(&mut self, code: u32) {
        let slot = usize::try_from(code).ok().and_then(|at| self.0.get_mut(at));
        if let Some(count) = slot {
            *count += 1;
        }
    }
}

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

    /// Makes the daemon ask for what the cgroup `asker` asked for and the kernel knows as `known`: itself, or its pattern.
    fn ask_at_once(&mut self, known: &str, asked: &Name, asker: u64, now: Duration) {
        match self.sources.pattern(known) {
            Some(pattern) => self.patterns.asked.request(pattern, asked, asker, now),
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
        for (opening, learned) in held {
            let Some(name) = self.ids.name(opening.name) else {
                continue;
            };
            let is_ahead = learned.deadline > self.now.boot;
            for asker in learned
                .claims
                .into_iter()
                .filter(|asker| is_ahead && *asker != 0)
            {
                self.observe(&name, ip(opening.address), asker, now);
            }
        }
    }

    /// Takes an address in for a name or a pattern that an answer to the cgroup `asker` held, and says whether it is new there. It lingers
    /// from now on; the TTL of that answer does not count, as it may be forged.
    fn observe(&mut self, name: &str, address: IpAddr, asker: u64, now: Duration) -> bool {
        if self.sources.pattern(name).is_some() {
            let sighted = self.observe_for_pattern(name, address, Duration::ZERO, now);
            match sighted {
                Some(_) => self.charge(asker, name, address, now),
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
            self.charge(asker, name.as_str(), address, now);
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
            .map(|(opening, learned)| (opening, learned.deadline))
            .collect();
        let is_refused = |opening: &AddressGrant| refused.contains(&ip(opening.address));
        let is_done = |(opening, deadline): &(AddressGrant, Deadline)| {
            *deadline <= self.now.boot || self.has_in_force(opening)
        };
        let openings = |of: &dyn Fn(&(AddressGrant, Deadline)) -> bool| -> Vec<AddressGrant> {
            let those = held.iter().filter(|one| of(one));
            those.map(|(opening, _)| *opening).collect()
        };
        let mut removal = ObservationsRemoval {
            done: openings(&|one| !is_refused(&one.0) && is_done(one)),
            revoked: openings(&|one| is_refused(&one.0)),
        };
        if self.is_settled() {
            let revoked = revoked_grants(&held, &self.maps.held.name_grants);
            removal.revoked.extend(revoked);
        }
        if removal != ObservationsRemoval::default() {
            self.effects.push(Effect::RemoveObservations(removal));
        }
    }

    fn has_in_force(&self, opening: &AddressGrant) -> bool {
        let held = &self.maps.held;
        if opening.name != AddressGrant::ADDRESS {
            return held.name_addresses.contains_key(opening);
        }
        let scoped = ScopedAddress::new(opening.cgroup, opening.address);
        match opening.cgroup {
            0 => held.allowed.contains_key(&opening.address),
            _ => held.addresses.contains_key(&scoped),
        }
    }
}

fn ip(key: AddressKey) -> IpAddr {
    Ipv6Addr::from(key).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lessons_are_counted_by_outcome_and_those_of_unknown_codes_not_at_all() {
        let mut counts = ObservationCounts::default();
        for outcome in ObservationOutcome::ALL {
            counts.count(outcome as u32);
        }
        counts.count(ObservationOutcome::Full as u32);
        counts.count(4);
        counts.count(u32::MAX);
        let counted = ObservationOutcome::ALL.map(|outcome| counts.of(outcome));
        assert_eq!(counted, [1, 1, 1, 2]);
    }
}
