//! Names that only a pattern stands for and that somebody on this host asks for, where the kernel could not use the answer. No I/O: time and
//! answers come in as parameters.
//!
//! Whoever may ask a resolver can have any name of a pattern looked up here, so names are few, those that do not exist are dropped at once,
//! and all are asked beside the names of the policy, never before them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::answer::{LookupFailure, Resolved};
use super::cache::schedule::{Ask, Questions, backoff, refresh};
use super::cache::{Family, Settings};
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
    questions: Questions,
    /// What each family last said.
    said: [Said; 2],
}

/// What the answer of one family came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Said {
    /// It is still to come, or failed.
    #[default]
    Unknown,
    /// Addresses.
    Found,
    /// That there is none.
    Nothing,
}

impl Asking {
    /// Asks from now on, and returns the families to ask for: those that are not being asked already.
    fn start(&mut self, now: Duration) -> Vec<Family> {
        self.ask.start(now);
        let families = self.questions.start(now);
        for family in &families {
            self.said[family.index()] = Said::Unknown;
        }
        if !families.is_empty() {
            self.looked_up = Some(now);
        }
        families
    }
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
            questions: Questions::default(),
            said: [Said::default(); 2],
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

    /// The names to ask now with the families to ask for, longest overdue first, as many as `pace` leaves room for. They count as in flight
    /// until [`Asked::answered`], and a family whose answer is still to come is not asked again.
    pub fn due(&mut self, now: Duration, pace: &mut Pace) -> Vec<(Name, Vec<Family>)> {
        let busy = self.names.values().filter(|it| it.ask.is_in_flight(now));
        let free = IN_FLIGHT.saturating_sub(busy.count());
        let free = free.min(pace.searches(now));
        let due = self.names.iter_mut().filter(|(_, it)| it.ask.is_due(now));
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(_, asking)| asking.ask.next());
        let due = due.into_iter().take(free);
        due.map(|(name, asking)| (name.clone(), asking.start(now)))
            .filter(|(_, families)| !families.is_empty())
            .inspect(|_| pace.start(now))
            .collect()
    }

    /// When [`Asked::due`] next has something to do, as time since the start; it can lie in the past.
    pub fn next_wake(&self, pace: &Pace) -> Option<Duration> {
        let asking = self.names.values().filter(|it| it.ask.is_asking()).count();
        let has_room = asking < IN_FLIGHT;
        let wakes = self.names.values().filter_map(|it| it.ask.wake(has_room));
        Some(wakes.min()?.max(pace.next_search()))
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
                asking.said[family.index()] = Said::Found;
                asking.failures = 0;
                let wait = refresh(resolved.ttl, &self.settings);
                asking.ask.settle(now + wait);
                let addresses = resolved.addresses.into_iter();
                found.extend(addresses.map(|address| (address, resolved.ttl)));
            }
            Err(LookupFailure::NxDomain | LookupFailure::NoAddress { .. }) => {
                asking.said[family.index()] = Said::Nothing;
                if beside == Said::Nothing {
                    self.names.remove(name);
                }
            }
            Err(_) if beside == Said::Found => {}
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
