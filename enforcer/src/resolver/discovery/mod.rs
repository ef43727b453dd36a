//! Looks for replicas of registries in DNS: a data endpoint's name in every region where a replica may be. No I/O: time and answers come in
//! as parameters.
//!
//! What an answer means:
//! - Addresses that all lie in the region's own registry prefixes, or where the registry's private endpoints do: the name is an endpoint,
//!   at once. A resolver that lies can so open nothing but addresses of registries of that very region.
//! - Any address elsewhere: a name that is no endpoint stays none; one that is an endpoint stays one, as its region may have got prefixes
//!   that the tags at hand lack, and every address of it is held against the tags anyway.
//! - No such name, or no address: an endpoint is asked again soon, and leaves after [`ABSENCES`] such answers in a row. One lie takes nothing
//!   away, and what is gone for good is gone within a quarter of an hour.
//! - No answer: all stays as it was, and the name is asked again soon.
//!
//! Every `now` is time since the daemon started, as in [`cache`](super::cache).

mod persist;
mod probe;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::answer::Answer;
use super::cache::Failing;
use super::rate_limiter::{Background, RateLimiter};
use crate::azure::TagSnapshot;
use crate::azure::endpoints::Endpoint;
use crate::config::{Cloud, Registry};
use crate::name::Name;
use crate::random::Jitter;
use probe::Probe;
use verdict::ProbeResult;

/// After so many answers in a row that a name has no address, it is no endpoint any more.
pub const ABSENCES: u32 = 3;
/// How many names are asked at the same time.
const IN_FLIGHT: usize = 8;
/// After this long a search gets its turn, however many names of the policy are due.
const PATIENCE: Duration = Duration::from_secs(5);

/// The replicas that DNS shows, and the search for more.
#[derive(Debug)]
pub struct Discovery {
    probes: BTreeMap<Name, Probe>,
    interval: Duration,
    jitter: Jitter,
    unanswered: Option<Failing>,
}

/// A replica that DNS shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its data endpoint.
    pub endpoint: Endpoint,
    /// How long ago an answer last showed it.
    pub age: Duration,
}

impl Discovery {
    /// Looks for nothing yet. `seed` is where the jitter starts.
    pub fn new(seed: u64) -> Self {
        Self {
            probes: BTreeMap::new(),
            interval: Duration::ZERO,
            jitter: Jitter::new(seed),
            unanswered: None,
        }
    }

    /// Looks for replicas of those of `registries` that say so, in all `regions` and where replicas are known, each once in `interval`.
    /// What is new is due at once. Registries whose endpoints cannot be built from regions are left out.
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
        let sought = registries.iter().filter(|registry| registry.discover);
        for registry in sought.filter(|registry| cloud.builds_endpoints(&registry.login_server)) {
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
                probe.ask.requery_by(now + interval);
                self.probes.insert(probe.endpoint.name.clone(), probe);
            }
        }
    }

    /// Makes names due now that lead elsewhere than into their region: the service tags have changed.
    pub fn tags_changed(&mut self, now: Duration) {
        let elsewhere = |probe: &&mut Probe| !probe.elsewhere.is_empty();
        for probe in self.probes.values_mut().filter(elsewhere) {
            probe.ask.requery_by(now);
        }
    }

    /// The names to ask now, longest overdue first, as many as `limiter` leaves room for. They count as in flight until
    /// [`Discovery::answered`]. To be called after the names of the policy have had their turn.
    pub fn due(&mut self, now: Duration, limiter: &mut RateLimiter) -> Vec<Name> {
        let busy = self.probes.values().filter(|p| p.ask.is_in_flight(now));
        let free = IN_FLIGHT.saturating_sub(busy.count());
        let due = self.probes.values_mut().filter(|p| p.ask.is_due(now));
        let mut due: Vec<&mut Probe> = due.collect();
        due.sort_by_key(|probe| probe.ask.next());
        let first = due.first().filter(|_| free > 0);
        let is_owed = first.is_some_and(|probe| probe.ask.next() + PATIENCE <= now);
        limiter.owe_search(Background::Discovery, is_owed);
        let free = free.min(limiter.searches(Background::Discovery, now));
        let start = |probe: &mut Probe| {
            probe.ask.start(now);
            limiter.start(now);
            limiter.owe_search(Background::Discovery, false);
            probe.endpoint.name.clone()
        };
        due.into_iter().take(free).map(start).collect()
    }

    /// When [`Discovery::due`] next has something to do, as time since the start; it can lie in the past. `None`: only an answer or other
    /// registries can bring that.
    pub fn next_wake(&self, limiter: &RateLimiter) -> Option<Duration> {
        let asking = self.probes.values().filter(|p| p.ask.is_asking()).count();
        let has_room = asking < IN_FLIGHT;
        let wakes = self.probes.values().filter_map(|p| p.ask.wake(has_room));
        Some(wakes.min()?.max(limiter.next_search(Background::Discovery)))
    }

    /// Takes in the answer for `name`, and says whether the endpoints are others now. `judged` gives the address that the rule judges for one
    /// of an answer (NAT64).
    pub fn answered(
        &mut self,
        name: &Name,
        answer: &Answer,
        tags: &TagSnapshot,
        judged: &dyn Fn(IpAddr) -> IpAddr,
        now: Duration,
    ) -> bool {
        let Some(probe) = self.probes.get_mut(name) else {
            return false;
        };
        let verdict = probe.judge(answer, tags, judged);
        if let ProbeResult::Unknown(error) = &verdict {
            let since = self
                .unanswered
                .as_ref()
                .map_or(now, |failing| failing.since);
            let error = error.clone();
            self.unanswered = Some(Failing { since, error });
        } else {
            self.unanswered = None;
        }
        let changed = probe.apply(verdict, now);
        let wait = probe.wait(self.interval);
        probe.ask.finish(now + self.jitter.spread(wait));
        changed
    }

    /// The data endpoints of a registry's replicas.
    pub fn endpoints(&self, login_server: &Name) -> impl Iterator<Item = &Endpoint> {
        let own = self.probes.values().filter(|p| p.is_of(login_server));
        own.filter(|probe| probe.is_endpoint())
            .map(|probe| &probe.endpoint)
    }

    /// How often each region is asked for.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The replicas of a registry.
    pub fn replicas(&self, login_server: &Name, now: Duration) -> Vec<Replica> {
        let own = self.probes.values().filter(|p| p.is_of(login_server));
        own.filter_map(|probe| probe.replica(now)).collect()
    }

    /// Names of a registry that lead elsewhere than into their region, and where.
    pub fn elsewhere(&self, login_server: &Name) -> impl Iterator<Item = (&Name, &[IpAddr])> {
        let own = self.probes.values().filter(|p| p.is_of(login_server));
        let elsewhere = own.filter(|probe| !probe.elsewhere.is_empty());
        elsewhere.map(|probe| (&probe.endpoint.name, probe.elsewhere.as_slice()))
    }

    /// Set while no name at all gets an answer: since when, and the last failure.
    pub fn failing(&self) -> Option<&Failing> {
        let all_fail = self.probes.values().all(Probe::is_failing);
        self.unanswered
            .as_ref()
            .filter(|_| all_fail && !self.probes.is_empty())
    }
}
