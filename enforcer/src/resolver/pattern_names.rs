//! Names that match a pattern of the policy and that a process of this host queried, where the kernel could not use the answer: the daemon
//! resolves them itself. No I/O: time and answers are parameters.
//!
//! Any process that may query a resolver can make the daemon resolve any name of a pattern. So the number of names is bounded, names that do
//! not exist are dropped at once, and all yield to names of the policy, but for one turn per second. Each name counts for the cgroups that
//! queried it: the cgroup with the most names makes room, and cgroups take turns, so a flood of names from one cgroup cannot starve another.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::answer::{Family, LookupFailure, Resolved};
use super::rate_limiter::{Background, RateLimiter};
use super::schedule::{InFlightFamilies, QueryState, backoff, refresh};
use super::settings::CacheSettings;
use crate::config::EndpointPattern;
use crate::name::Name;

/// The most names of one pattern: one per region of the cloud.
const MOST_NAMES: usize = 64;
/// The most cgroups that one name counts for.
const MOST_CGROUPS: usize = 64;
/// The most names with queries in flight.
const IN_FLIGHT: usize = 4;
/// Time without any lookup after which an overdue name gets the next turn.
const PATIENCE: Duration = Duration::from_secs(1);

/// The names; each is resolved until no process has queried it for the linger.
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
    /// The cgroups whose processes queried it.
    cgroups: BTreeSet<u64>,
    /// When a name of all these cgroups was last looked up.
    served: Duration,
    /// When a process last queried it.
    requested: Duration,
    /// When the daemon last looked it up.
    looked_up: Option<Duration>,
    failures: u32,
    query: QueryState,
    in_flight: InFlightFamilies,
    /// The last result of each family.
    results: [FamilyResult; 2],
}

/// Result of one family's query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FamilyResult {
    /// Pending or failed.
    #[default]
    Unknown,
    /// At least one address.
    Found,
    /// No address.
    Nothing,
}

impl PatternName {
    /// Its position in the queue: cgroups take turns, and the names of one cgroup are served in the order in which they are due.
    fn queued(&self) -> (Duration, Duration) {
        let due = self.query.next();
        (due.max(self.served), due)
    }

    /// Marks its queries as sent, and returns the families to query: those not in flight already.
    fn start(&mut self, now: Duration) -> Vec<Family> {
        self.query.start(now);
        let families = self.in_flight.start(now);
        for family in &families {
            self.results[family.index()] = FamilyResult::Unknown;
        }
        if !families.is_empty() {
            self.looked_up = Some(now);
        }
        families
    }
}

impl PatternNames {
    /// Makes `name` due, which a process in `cgroup` queried. A name that does not match `pattern` is ignored. When there are too many, the
    /// cgroup with the most names gives up the one with the oldest request; where none has more than `cgroup` would have, `cgroup` does.
    pub fn request(&mut self, pattern: &EndpointPattern, name: &Name, cgroup: u64, now: Duration) {
        if let Some(entry) = self.names.get_mut(name) {
            entry.requested = now;
            if entry.cgroups.len() < MOST_CGROUPS {
                entry.cgroups.insert(cgroup);
            }
            let soonest = entry.looked_up.map(|at| at + self.settings.ttl_floor);
            entry
                .query
                .requery_by(soonest.map_or(now, |at| at.max(now)));
            return;
        }
        if !pattern.matches(name) || !self.make_room(pattern, cgroup, now) {
            return;
        }
        let entry = PatternName {
            pattern: pattern.clone(),
            cgroups: BTreeSet::from([cgroup]),
            served: Duration::ZERO,
            requested: now,
            looked_up: None,
            failures: 0,
            query: QueryState::Waiting(now),
            in_flight: InFlightFamilies::default(),
            results: [FamilyResult::default(); 2],
        };
        self.names.insert(name.clone(), entry);
    }

    /// Makes room for one more name of `pattern` for `cgroup`, and returns whether there is room.
    fn make_room(&mut self, pattern: &EndpointPattern, cgroup: u64, now: Duration) -> bool {
        let of_pattern = |it: &&PatternName| it.pattern == *pattern;
        while self.names.values().filter(of_pattern).count() >= MOST_NAMES {
            let Some((name, payer)) = self.oldest_of_most(pattern, cgroup, now) else {
                return false;
            };
            self.names.retain(|known, entry| {
                *known != name || (entry.cgroups.remove(&payer) && !entry.cgroups.is_empty())
            });
        }
        true
    }

    /// Returns the cgroup with the most names of `pattern`, counting one more for `cgroup`, and its name with the oldest request.
    fn oldest_of_most(
        &self,
        pattern: &EndpointPattern,
        cgroup: u64,
        now: Duration,
    ) -> Option<(Name, u64)> {
        // A name in flight is kept until it is answered.
        let is_idle = |it: &PatternName| it.pattern == *pattern && !it.query.is_in_flight(now);
        let idle = || self.names.iter().filter(|(_, it)| is_idle(it));
        let mut counts = BTreeMap::from([(cgroup, 1)]);
        for holder in idle().flat_map(|(_, it)| &it.cgroups) {
            *counts.entry(*holder).or_default() += 1;
        }
        let counts = counts.into_iter();
        let (payer, _) = counts.max_by_key(|(holder, count)| (*count, *holder == cgroup))?;
        let of_payer = idle().filter(|(_, it)| it.cgroups.contains(&payer));
        let (oldest, _) = of_payer.min_by_key(|(_, it)| it.requested)?;
        Some((oldest.clone(), payer))
    }

    /// Returns the names to query now and their families, longest overdue first, as many as `limiter` permits; cgroups take turns. They are
    /// in flight until [`PatternNames::answered`]; a family in flight is not queried again.
    pub fn due(&mut self, now: Duration, limiter: &mut RateLimiter) -> Vec<(Name, Vec<Family>)> {
        let busy = self.names.values().filter(|it| it.query.is_in_flight(now));
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
        let due = self.names.values().filter(|it| it.query.is_due(now));
        let first = due.map(|it| it.query.next()).min();
        first.is_some_and(|first| first.max(self.last_turn) + PATIENCE <= now)
    }

    /// Starts the queries of the name whose turn it is, and returns its families.
    fn start_next(&mut self, now: Duration) -> Option<(Name, Vec<Family>)> {
        let due = self.names.iter_mut().filter(|(_, it)| it.query.is_due(now));
        let (name, entry) = due.min_by_key(|(_, it)| it.queued())?;
        let (name, cgroups) = (name.clone(), entry.cgroups.clone());
        let families = entry.start(now);
        let others = self.names.values_mut();
        for other in others.filter(|it| it.cgroups.is_subset(&cgroups)) {
            other.served = now;
        }
        Some((name, families))
    }

    /// Returns when [`PatternNames::due`] next has something to do, as time since the start, possibly in the past.
    pub fn next_wake(&self, limiter: &RateLimiter) -> Option<Duration> {
        let entry = self
            .names
            .values()
            .filter(|it| it.query.is_outstanding())
            .count();
        let has_room = entry < IN_FLIGHT;
        let wakes = self.names.values().filter_map(|it| it.query.wake(has_room));
        Some(wakes.min()?.max(limiter.next_search(Background::Patterns)))
    }

    /// Processes the answer of one family for `name`, and returns its pattern and the addresses with their TTL, which the answer check has
    /// not seen yet. A name without an address in either family is dropped.
    pub fn answered(
        &mut self,
        name: &Name,
        (family, answer): (Family, Result<Resolved, LookupFailure>),
        now: Duration,
    ) -> Option<(EndpointPattern, Vec<(IpAddr, Duration)>)> {
        let entry = self.names.get_mut(name)?;
        let pattern = entry.pattern.clone();
        entry.in_flight.finish(family);
        let beside = entry.results[family.other().index()];
        let (shortest, longest) = (self.settings.retry_min, self.settings.retry_max);
        let mut found = Vec::new();
        match answer {
            Ok(resolved) => {
                entry.results[family.index()] = FamilyResult::Found;
                entry.failures = 0;
                let wait = refresh(resolved.ttl, &self.settings);
                entry.query.schedule_earliest(now + wait);
                let addresses = resolved.addresses.into_iter();
                found.extend(addresses.map(|address| (address, resolved.ttl)));
            }
            Err(LookupFailure::NxDomain | LookupFailure::NoAddress { .. }) => {
                entry.results[family.index()] = FamilyResult::Nothing;
                if beside == FamilyResult::Nothing {
                    self.names.remove(name);
                }
            }
            Err(_) if beside == FamilyResult::Found => {}
            Err(_) => {
                entry.failures = entry.failures.saturating_add(1);
                let wait = backoff(entry.failures, shortest, longest);
                entry.query.schedule_earliest(now + wait);
            }
        }
        Some((pattern, found))
    }

    /// Drops the names that no process queried within the last `linger`.
    pub fn expire(&mut self, linger: Duration, now: Duration) {
        self.names.retain(|_, entry| now < entry.requested + linger);
    }

    /// Drops the names of patterns for which `keeps` is false.
    pub fn retain(&mut self, keeps: impl Fn(&EndpointPattern) -> bool) {
        self.names.retain(|_, entry| keeps(&entry.pattern));
    }
}

#[cfg(test)]
mod tests;
