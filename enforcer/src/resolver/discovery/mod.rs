//! Finds replicas of registries in DNS: queries the data endpoint's name in every region where a replica may be. No I/O: time and answers
//! are parameters.
//!
//! How answers are interpreted:
//! - All addresses are in the region's registry prefixes or in the registry's private endpoints: the name is an endpoint, at once. So a
//!   lying resolver can only allow addresses of registries in that region.
//! - Any other address: the name keeps its state. An endpoint stays one, as its region may have new prefixes that the tags lack, and the
//!   answer check applies to each of its addresses anyway.
//! - NXDOMAIN or no address: an endpoint is queried again soon, and removed after [`ABSENCES`] such answers in a row. So one false answer
//!   removes nothing, and a deleted replica is removed within a quarter of an hour.
//! - No answer: nothing changes, and the name is queried again soon.
//!
//! Every `now` is time since the daemon started, as in [`cache`](super::cache).

mod probe;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

pub use probe::{ABSENCES, Replica};

use super::answer::Answer;
use super::cache::Failing;
use super::moment::{wall_clock_age, wall_clock_before};
use super::rate_limiter::{Background, RateLimiter};
use crate::azure::TagSnapshot;
use crate::azure::endpoints::Endpoint;
use crate::config::{Cloud, Registry};
use crate::name::Name;
use crate::random::Jitter;
use crate::state::Replicas;
use probe::{Probe, ProbeResult};

/// The most names with queries in flight.
const IN_FLIGHT: usize = 8;
/// Time after which an overdue name gets the next turn, however many names of the policy are due.
const PATIENCE: Duration = Duration::from_secs(5);

/// The replicas found in DNS, and the names that are probed for more.
#[derive(Debug)]
pub struct Discovery {
    probes: BTreeMap<Name, Probe>,
    interval: Duration,
    jitter: Jitter,
    unanswered: Option<Failing>,
}

impl Discovery {
    /// Creates a discovery without names. `seed` is that of the jitter.
    pub fn new(seed: u64) -> Self {
        Self {
            probes: BTreeMap::new(),
            interval: Duration::ZERO,
            jitter: Jitter::new(seed),
            unanswered: None,
        }
    }

    /// Sets the names to probe: for each of `registries` with discovery, in all `regions` and those of known replicas, once per `interval`.
    /// New names are due at once. Skips registries whose endpoints do not follow from regions.
    pub fn set(
        &mut self,
        registries: &[Registry],
        cloud: Cloud,
        regions: &BTreeSet<String>,
        interval: Duration,
        now: Duration,
    ) {
        self.interval = interval;
        let mut before = std::mem::take(&mut self.probes);
        let probed = registries.iter().filter(|registry| registry.discover);
        for registry in probed.filter(|registry| cloud.builds_endpoints(&registry.login_server)) {
            let login_server = &registry.login_server;
            let known = before.values().filter(|probe| probe.is_of(login_server));
            let known = known.filter(|probe| probe.is_endpoint());
            let known: BTreeSet<String> = known.map(|probe| probe.region.clone()).collect();
            let private_endpoints: Rc<[_]> = registry.private_endpoints.as_slice().into();
            for region in regions.union(&known) {
                let Some(new) = Probe::new(login_server, region, cloud, now) else {
                    continue;
                };
                let mut probe = before.remove(&new.endpoint.name).unwrap_or(new);
                probe.private_endpoints = Rc::clone(&private_endpoints);
                probe.query.requery_by(now + interval);
                self.probes.insert(probe.endpoint.name.clone(), probe);
            }
        }
    }

    /// Makes names due now whose addresses were not in their region, as the service tags have changed.
    pub fn tags_changed(&mut self, now: Duration) {
        let elsewhere = |probe: &&mut Probe| !probe.elsewhere.is_empty();
        for probe in self.probes.values_mut().filter(elsewhere) {
            probe.query.requery_by(now);
        }
    }

    /// Returns the names to query now, longest overdue first, as many as `limiter` permits. They are in flight until
    /// [`Discovery::answered`]. Call this after the names of the policy had their turn.
    pub fn due(&mut self, now: Duration, limiter: &mut RateLimiter) -> Vec<Name> {
        let busy = self.probes.values().filter(|p| p.query.is_in_flight(now));
        let free = IN_FLIGHT.saturating_sub(busy.count());
        let due = self.probes.values_mut().filter(|p| p.query.is_due(now));
        let mut due: Vec<&mut Probe> = due.collect();
        due.sort_by_key(|probe| probe.query.next());
        let first = due.first().filter(|_| free > 0);
        let is_owed = first.is_some_and(|probe| probe.query.next() + PATIENCE <= now);
        limiter.owe_search(Background::Discovery, is_owed);
        let free = free.min(limiter.searches(Background::Discovery, now));
        let start = |probe: &mut Probe| {
            probe.query.start(now);
            limiter.start(now);
            limiter.owe_search(Background::Discovery, false);
            probe.endpoint.name.clone()
        };
        due.into_iter().take(free).map(start).collect()
    }

    /// Returns when [`Discovery::due`] next has something to do, as time since the start, possibly in the past; `None` while only an answer
    /// or other registries can change that.
    pub fn next_wake(&self, limiter: &RateLimiter) -> Option<Duration> {
        let asking = self
            .probes
            .values()
            .filter(|p| p.query.is_outstanding())
            .count();
        let has_room = asking < IN_FLIGHT;
        let wakes = self.probes.values().filter_map(|p| p.query.wake(has_room));
        Some(wakes.min()?.max(limiter.next_search(Background::Discovery)))
    }

    /// Processes the answer for `name`, and returns whether the set of endpoints changed. `effective` maps an address of an answer to the one
    /// that the rule applies to (NAT64).
    pub fn answered(
        &mut self,
        name: &Name,
        answer: &Answer,
        tags: &TagSnapshot,
        effective: &dyn Fn(IpAddr) -> IpAddr,
        now: Duration,
    ) -> bool {
        let Some(probe) = self.probes.get_mut(name) else {
            return false;
        };
        let result = probe.interpret(answer, tags, effective);
        if let ProbeResult::Unknown(error) = &result {
            let since = self
                .unanswered
                .as_ref()
                .map_or(now, |failing| failing.since);
            let error = error.clone();
            self.unanswered = Some(Failing { since, error });
        } else {
            self.unanswered = None;
        }
        let changed = probe.apply(result, now);
        let wait = probe.wait(self.interval);
        probe.query.schedule(now + self.jitter.spread(wait));
        changed
    }

    /// The data endpoints of a registry's replicas.
    pub fn endpoints(&self, login_server: &Name) -> impl Iterator<Item = &Endpoint> {
        let own = self.probes.values().filter(|p| p.is_of(login_server));
        own.filter(|probe| probe.is_endpoint())
            .map(|probe| &probe.endpoint)
    }

    /// The interval between queries for a region.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The replicas of a registry.
    pub fn replicas(&self, login_server: &Name, now: Duration) -> Vec<Replica> {
        let own = self.probes.values().filter(|p| p.is_of(login_server));
        own.filter_map(|probe| probe.replica(now)).collect()
    }

    /// Names of a registry with addresses outside their region, and these addresses.
    pub fn elsewhere(&self, login_server: &Name) -> impl Iterator<Item = (&Name, &[IpAddr])> {
        let own = self.probes.values().filter(|p| p.is_of(login_server));
        let elsewhere = own.filter(|probe| !probe.elsewhere.is_empty());
        elsewhere.map(|probe| (&probe.endpoint.name, probe.elsewhere.as_slice()))
    }

    /// The last failure, while no name gets an answer.
    pub fn failing(&self) -> Option<&Failing> {
        let all_fail = self.probes.values().all(Probe::is_failing);
        self.unanswered
            .as_ref()
            .filter(|_| all_fail && !self.probes.is_empty())
    }

    /// Restores the replicas of earlier runs. Skips registries that are not probed (so call [`Discovery::set`] first). All are queried again
    /// at once. Times in the future, after the wall clock was set back, count as now.
    pub fn restore(
        &mut self,
        replicas: &Replicas,
        cloud: Cloud,
        now_wall: Timestamp,
        now: Duration,
    ) {
        for (login_server, regions) in replicas {
            let of_registry = self.probes.values().find(|probe| probe.is_of(login_server));
            let Some(private_endpoints) = of_registry.map(|probe| probe.private_endpoints.clone())
            else {
                continue;
            };
            for (region, seen) in regions {
                let Some(mut new) = Probe::new(login_server, region, cloud, now) else {
                    continue;
                };
                new.private_endpoints = private_endpoints.clone();
                let probe = self.probes.entry(new.endpoint.name.clone()).or_insert(new);
                probe.restore(wall_clock_age(now_wall, *seen), now);
            }
        }
    }

    /// Returns the replicas for the state file. Wall-clock times are computed back from `now_wall`, so a clock that was wrong when a replica
    /// was seen does not matter.
    pub fn persist(&self, now_wall: Timestamp, now: Duration) -> Replicas {
        let mut replicas = Replicas::new();
        for probe in self.probes.values() {
            if let Some(replica) = probe.replica(now) {
                let regions = replicas.entry(probe.login_server().clone()).or_default();
                regions.insert(
                    probe.region.clone(),
                    wall_clock_before(now_wall, replica.age),
                );
            }
        }
        replicas
    }
}
