//! Names that only a pattern stands for and that somebody on this host asks for, where the kernel could not use the answer. No I/O: time and
//! answers come in as parameters.
//!
//! Whoever may ask a resolver can have any name of a pattern looked up here, so names are few, those that do not exist are dropped at once,
//! and all are asked beside the names of the policy, never before them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::answer::{Answer, LookupFailure};
use super::cache::Settings;
use super::cache::schedule::{Ask, backoff, refresh};
use super::pace::Pace;
use crate::config::EndpointPattern;
use crate::name::Name;

/// The most names of one pattern: one for each region that there is.
const MOST_NAMES: usize = 64;
/// How many names are asked at the same time.
const IN_FLIGHT: usize = 4;

/// The names, each resolved until it was not asked for in a while.
#[derive(Debug, Default)]
pub struct Asked {
    names: BTreeMap<Name, Asking>,
    settings: Settings,
}

#[derive(Debug)]
struct Asking {
    pattern: EndpointPattern,
    /// When somebody last asked for it.
    wanted: Duration,
    /// When it was last looked up here.
    looked_up: Option<Duration>,
    failures: u32,
    ask: Ask,
}

impl Asked {
    /// Somebody asked for `name`: it is due. One that `pattern` does not stand for is not taken, and of too many the one that was not asked
    /// for the longest goes.
    pub fn want(&mut self, pattern: &EndpointPattern, name: &Name, now: Duration) {
        if let Some(asking) = self.names.get_mut(name) {
            asking.wanted = now;
            let soonest = asking.looked_up.map(|at| at + self.settings.ttl_floor);
            asking.ask.hasten(soonest.map_or(now, |at| at.max(now)));
            return;
        }
        if !pattern.stands_for(name) {
            return;
        }
        self.make_room(pattern, now);
        let asking = Asking {
            pattern: pattern.clone(),
            wanted: now,
            looked_up: None,
            failures: 0,
            ask: Ask::Waiting(now),
        };
        self.names.insert(name.clone(), asking);
    }

    fn make_room(&mut self, pattern: &EndpointPattern, now: Duration) {
        let own = || self.names.iter().filter(|(_, it)| it.pattern == *pattern);
        if own().count() < MOST_NAMES {
            return;
        }
        // What is being asked counts until it is answered.
        let idle = own().filter(|(_, asking)| !asking.ask.is_in_flight(now));
        let oldest = idle.min_by_key(|(_, asking)| asking.wanted);
        if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
            self.names.remove(&oldest);
        }
    }

    /// The names to ask now, longest overdue first, as many as `pace` leaves room for. They count as in flight until [`Asked::answered`].
    pub fn due(&mut self, now: Duration, pace: &mut Pace) -> Vec<Name> {
        let busy = self.names.values().filter(|it| it.ask.is_in_flight(now));
        let free = IN_FLIGHT.saturating_sub(busy.count());
        let free = free.min(pace.searches(now));
        let due = self.names.iter_mut().filter(|(_, it)| it.ask.is_due(now));
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(_, asking)| asking.ask.next());
        let start = |(name, asking): (&Name, &mut Asking)| {
            asking.ask.start(now);
            asking.looked_up = Some(now);
            pace.start(now);
            name.clone()
        };
        due.into_iter().take(free).map(start).collect()
    }

    /// When [`Asked::due`] next has something to do, as time since the start; it can lie in the past.
    pub fn next_wake(&self, pace: &Pace) -> Option<Duration> {
        let asking = self.names.values().filter(|it| it.ask.is_asking()).count();
        let has_room = asking < IN_FLIGHT;
        let wakes = self.names.values().filter_map(|it| it.ask.wake(has_room));
        Some(wakes.min()?.max(pace.next_search()))
    }

    /// Takes in the answer for `name`: its pattern, and the addresses, each with its time to live. They are still to be checked.
    pub fn answered(
        &mut self,
        name: &Name,
        answer: Answer,
        now: Duration,
    ) -> Option<(EndpointPattern, Vec<(IpAddr, Duration)>)> {
        let asking = self.names.get_mut(name)?;
        let pattern = asking.pattern.clone();
        let families = [answer.v4, answer.v6];
        let nothing = [&families[0], &families[1]].map(is_nothing);
        if nothing == [true; 2] {
            self.names.remove(name);
            return Some((pattern, Vec::new()));
        }
        let found: Vec<_> = families.into_iter().flatten().collect();
        let ttl = found.iter().map(|resolved| resolved.ttl).min();
        asking.failures = match ttl {
            Some(_) => 0,
            None => asking.failures.saturating_add(1),
        };
        let (shortest, longest) = (self.settings.retry_min, self.settings.retry_max);
        let wait = ttl.map_or_else(
            || backoff(asking.failures, shortest, longest),
            |ttl| refresh(ttl, &self.settings),
        );
        asking.ask.finish(now + wait);
        let addresses = found.into_iter().flat_map(|resolved| {
            let ttl = resolved.ttl;
            let addresses = resolved.addresses.into_iter();
            addresses.map(move |address| (address, ttl))
        });
        Some((pattern, addresses.collect()))
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

/// Whether an answer says that there is no address.
fn is_nothing<T>(answer: &Result<T, LookupFailure>) -> bool {
    matches!(
        answer,
        Err(LookupFailure::NxDomain | LookupFailure::NoAddress { .. })
    )
}

#[cfg(test)]
mod tests;
