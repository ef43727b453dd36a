//! Names that only a pattern stands for and that somebody on this host asks for, where the kernel could not use the answer. No I/O: time and
//! answers come in as parameters.
//!
//! Whoever may ask a resolver can have any name of a pattern looked up here, so names are few, those that do not exist are dropped at once,
//! and all leave names of the policy their room, but for one turn in a second. They count for the cgroups that asked: the one with the most
//! makes room, and the cgroups take turns, so that no flood of names keeps those of another cgroup from being asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::answer::{LookupFailure, Resolved};
use super::cache::schedule::{Ask, Questions, backoff, refresh};
use super::cache::{CacheSettings, Family};
use super::rate_limiter::{Background, RateLimiter};
use crate::config::EndpointPattern;
use crate::name::Name;

/// The most names of one pattern: one for each region that there is.
const MOST_NAMES: usize = 64;
/// The most cgroups that one name counts for.
const MOST_ASKERS: usize = 64;
/// How many names are asked at the same time.
const IN_FLIGHT: usize = 4;
/// Time without any lookup after which an overdue name is owed its turn.
const PATIENCE: Duration = Duration::from_secs(1);

/// The names, each resolved until it was not asked for in a while.
#[derive(Debug, Default)]
pub struct PatternNames {
    names: BTreeMap<Name, PatternName>,
    settings: CacheSettings,
    /// When a name was last looked up.
    last_turn: Duration,
}

#[derive(Debug)]
struct PatternName {
    pattern: EndpointPattern,
    /// The cgroups that asked for it.
    askers: BTreeSet<u64>,
    /// When all of these cgroups last had a name looked up.
    served: Duration,
    /// When somebody last asked for it.
    wanted: Duration,
    /// When it was last looked up here.
    looked_up: Option<Duration>,
    failures: u32,
    ask: Ask,
    questions: Questions,
    /// What each family last said.
    said: [FamilyResult; 2],
}

/// What the answer of one family came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FamilyResult {
    /// It is still to come, or failed.
    #[default]
    Unknown,
    /// Addresses.
    Found,
    /// That there is none.
    Nothing,
}

impl PatternName {
    /// Its place in the queue: cgroups take turns, and the names of one stand in line.
    fn queued(&self) -> (Duration, Duration) {
        let due = self.ask.next();
        (due.max(self.served), due)
    }

    /// Asks from now on, and returns the families to ask for: those that are not being asked already.
    fn start(&mut self, now: Duration) -> Vec<Family> {
        self.ask.start(now);
        let families = self.questions.start(now);
        for family in &families {
            self.said[family.index()] = FamilyResult::Unknown;
        }
        if !families.is_empty() {
            self.looked_up = Some(now);
        }
        families
    }
}

impl PatternNames {
    /// The cgroup `asker` asked for `name`: it is due. One that `pattern` does not stand for is not taken. Of too many, the cgroup with the
    /// most gives up the one that was not asked for the longest; where none has more than `asker` would have, `asker` does.
    pub fn want(&mut self, pattern: &EndpointPattern, name: &Name, asker: u64, now: Duration) {
        if let Some(asking) = self.names.get_mut(name) {
            asking.wanted = now;
            if asking.askers.len() < MOST_ASKERS {
                asking.askers.insert(asker);
            }
            let soonest = asking.looked_up.map(|at| at + self.settings.ttl_floor);
            asking.ask.requery_by(soonest.map_or(now, |at| at.max(now)));
            return;
        }
        if !pattern.matches(name) || !self.make_room(pattern, asker, now) {
            return;
        }
        let asking = PatternName {
            pattern: pattern.clone(),
            askers: BTreeSet::from([asker]),
            served: Duration::ZERO,
            wanted: now,
            looked_up: None,
            failures: 0,
            ask: Ask::Waiting(now),
            questions: Questions::default(),
            said: [FamilyResult::default(); 2],
        };
        self.names.insert(name.clone(), asking);
    }

    /// Makes room for one more name of `pattern` for `asker`, and returns whether there is some.
    fn make_room(&mut self, pattern: &EndpointPattern, asker: u64, now: Duration) -> bool {
        let of_pattern = |it: &&PatternName| it.pattern == *pattern;
        while self.names.values().filter(of_pattern).count() >= MOST_NAMES {
            let Some((name, payer)) = self.oldest_of_most(pattern, asker, now) else {
                return false;
            };
            self.names.retain(|known, asking| {
                *known != name || (asking.askers.remove(&payer) && !asking.askers.is_empty())
            });
        }
        true
    }

    /// The cgroup with the most names of `pattern`, were there one more of `asker`, and the one that was not asked for the longest of these.
    fn oldest_of_most(
        &self,
        pattern: &EndpointPattern,
        asker: u64,
        now: Duration,
    ) -> Option<(Name, u64)> {
        // What is being asked counts until it is answered.
        let is_idle = |it: &PatternName| it.pattern == *pattern && !it.ask.is_in_flight(now);
        let idle = || self.names.iter().filter(|(_, it)| is_idle(it));
        let mut counts = BTreeMap::from([(asker, 1)]);
        for cgroup in idle().flat_map(|(_, it)| &it.askers) {
            *counts.entry(*cgroup).or_default() += 1;
        }
        let counts = counts.into_iter();
        let (payer, _) = counts.max_by_key(|(cgroup, count)| (*count, *cgroup == asker))?;
        let of_payer = idle().filter(|(_, it)| it.askers.contains(&payer));
        let (oldest, _) = of_payer.min_by_key(|(_, it)| it.wanted)?;
        Some((oldest.clone(), payer))
    }

    /// The names to ask now with the families to ask for, longest overdue first, as many as `limiter` leaves room for; cgroups take turns. They
    /// count as in flight until [`PatternNames::answered`], and a family whose answer is still to come is not asked again.
    pub fn due(&mut self, now: Duration, limiter: &mut RateLimiter) -> Vec<(Name, Vec<Family>)> {
        let busy = self.names.values().filter(|it| it.ask.is_in_flight(now));
        let free = IN_FLIGHT.saturating_sub(busy.count());
        limiter.owe_search(Background::Patterns, free > 0 && self.is_owed_a_turn(now));
        let free = free.min(limiter.searches(Background::Patterns, now));
        let started = (0..free).map_while(|_| self.start_next(now));
        let started = started.filter(|(_, families)| !families.is_empty());
        let due: Vec<_> = started.inspect(|_| limiter.start(now)).collect();
        if !due.is_empty() {
            self.last_turn = now;
            limiter.owe_search(Background::Patterns, false);
        }
        due
    }

    fn is_owed_a_turn(&self, now: Duration) -> bool {
        let due = self.names.values().filter(|it| it.ask.is_due(now));
        let first = due.map(|it| it.ask.next()).min();
        first.is_some_and(|first| first.max(self.last_turn) + PATIENCE <= now)
    }

    /// Asks for the name whose turn it is, and returns the families to ask for.
    fn start_next(&mut self, now: Duration) -> Option<(Name, Vec<Family>)> {
        let due = self.names.iter_mut().filter(|(_, it)| it.ask.is_due(now));
        let (name, asking) = due.min_by_key(|(_, it)| it.queued())?;
        let (name, askers) = (name.clone(), asking.askers.clone());
        let families = asking.start(now);
        let others = self.names.values_mut();
        for other in others.filter(|it| it.askers.is_subset(&askers)) {
            other.served = now;
        }
        Some((name, families))
    }

    /// When [`PatternNames::due`] next has something to do, as time since the start; it can lie in the past.
    pub fn next_wake(&self, limiter: &RateLimiter) -> Option<Duration> {
        let asking = self.names.values().filter(|it| it.ask.is_asking()).count();
        let has_room = asking < IN_FLIGHT;
        let wakes = self.names.values().filter_map(|it| it.ask.wake(has_room));
        Some(wakes.min()?.max(limiter.next_search(Background::Patterns)))
    }

    /// Takes in the answer of one family for `name`: its pattern, and the addresses, each with its time to live. They are still to be checked.
    /// A name that has no address in either family is dropped.
    pub fn answered(
        &mut self,
        name: &Name,
        (family, answer): (Family, Result<Resolved, LookupFailure>),
        now: Duration,
    ) -> Option<(EndpointPattern, Vec<(IpAddr, Duration)>)> {
        let asking = self.names.get_mut(name)?;
        let pattern = asking.pattern.clone();
        asking.questions.finish(family);
        let beside = asking.said[family.other().index()];
        let (shortest, longest) = (self.settings.retry_min, self.settings.retry_max);
        let mut found = Vec::new();
        match answer {
            Ok(resolved) => {
                asking.said[family.index()] = FamilyResult::Found;
                asking.failures = 0;
                let wait = refresh(resolved.ttl, &self.settings);
                asking.ask.settle(now + wait);
                let addresses = resolved.addresses.into_iter();
                found.extend(addresses.map(|address| (address, resolved.ttl)));
            }
            Err(LookupFailure::NxDomain | LookupFailure::NoAddress { .. }) => {
                asking.said[family.index()] = FamilyResult::Nothing;
                if beside == FamilyResult::Nothing {
                    self.names.remove(name);
                }
            }
            Err(_) if beside == FamilyResult::Found => {}
            Err(_) => {
                asking.failures = asking.failures.saturating_add(1);
                let wait = backoff(asking.failures, shortest, longest);
                asking.ask.settle(now + wait);
            }
        }
        Some((pattern, found))
    }

    /// Drops the names that nobody asked for in the last `linger`.
    pub fn expire(&mut self, linger: Duration, now: Duration) {
        self.names.retain(|_, asking| now < asking.wanted + linger);
    }

    /// Drops the names of patterns that are not kept.
    pub fn retain(&mut self, keeps: impl Fn(&EndpointPattern) -> bool) {
        self.names.retain(|_, asking| keeps(&asking.pattern));
    }
}

#[cfg(test)]
mod tests;
