//! The last good addresses of every allowed name, and when to query again. No I/O: time and answers are parameters.
//!
//! What is kept, and for how long:
//! - An address of the last successful answer is never removed.
//! - A failed lookup removes nothing. A query fails by an error, a timeout, NXDOMAIN, an answer without an address in either family, and an
//!   answer of which the answer check refuses every address.
//! - An address that successful answers omit is removed once it has been omitted for `linger` and its TTL has expired. Time in which its
//!   family fails does not count towards `linger`, so an outage never shrinks a rotating set.
//! - The families are independent: the answer of each takes effect as it arrives, and one that never answers does not delay the other.
//!   But "no address of this family" is a success only when the other family has addresses, and waits for that answer.
//! - A name that leaves the set keeps its addresses for `linger`, and is then removed with all of them.
//! - Beyond [`CacheSettings::addresses`] per name, and each name's share of [`CacheSettings::total`], an address of a new answer replaces
//!   the one that answers have omitted for the longest; of an answer larger than that, the rest is refused.
//! - A snooped address, one that only DNS answers to other processes contained, stays for `linger` after the last of them, whatever their
//!   TTL and whatever fails. Snooped addresses have a budget of their own ([`snoop_budget`]) and take no room from others.
//! - An address from `/etc/hosts` stays while the file contains it, and for `linger` after that. It takes no room from others.
//!
//! Every `now` is time since the daemon started, on a monotonic clock; it may stop while the host is suspended.

mod address;
mod entry;
mod persist;
pub mod snoop_budget;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

pub use super::settings::CacheSettings;
pub use address::{AddressEntry, HostsPin, Refusal};
pub use entry::merge_answer::AnswerOutcome;
pub use entry::{Failing, FamilyState, NameEntry};

use super::answer::{AnswerCheck, Family, LookupFailure, Resolved};
use super::rate_limiter::RateLimiter;
use crate::name::Name;
use crate::random::Jitter;

/// All allowed names with their addresses.
#[derive(Debug)]
pub struct Cache {
    settings: CacheSettings,
    entries: BTreeMap<Name, NameEntry>,
    most_per_name: usize,
    jitter: Jitter,
}

impl Cache {
    /// An empty cache.
    pub fn new(settings: CacheSettings) -> Self {
        let jitter = Jitter::new(settings.seed);
        Self {
            most_per_name: settings.addresses,
            settings,
            entries: BTreeMap::new(),
            jitter,
        }
    }

    /// Sets the names to resolve. New ones are due at once; those that leave keep their addresses for `linger`.
    /// Returns whether a name that had left is back, and its addresses with it.
    pub fn set_names(&mut self, names: impl IntoIterator<Item = Name>, now: Duration) -> bool {
        let wanted: BTreeSet<Name> = names.into_iter().collect();
        let share = self.settings.total / wanted.len().max(1);
        self.settings.addresses = share.clamp(1, self.most_per_name);
        for (name, entry) in &mut self.entries {
            if !wanted.contains(name) {
                entry.depart(now);
            }
        }
        let mut is_back = false;
        for name in wanted {
            is_back |= self
                .entries
                .entry(name)
                .or_insert_with(|| NameEntry::new(now))
                .stay(now);
        }
        is_back
    }

    /// Sets how long omitted addresses stay, including those that linger already.
    pub fn set_linger(&mut self, linger: Duration) {
        self.settings.linger = linger;
    }

    /// Makes every name due now, as its addresses may have changed. Names in flight wait for their answer, and overdue ones keep their
    /// position in the queue.
    pub fn requery_now(&mut self, now: Duration) {
        for entry in self.entries.values_mut() {
            entry.query.requery_by(now);
        }
    }

    /// Returns the names to query now and their families, longest overdue first, as many as `limiter` permits. They are in flight until
    /// [`Cache::answered`]; a family in flight is not queried again.
    pub fn due(&mut self, now: Duration, limiter: &mut RateLimiter) -> Vec<(Name, Vec<Family>)> {
        let free = self.settings.in_flight.saturating_sub(self.busy(now));
        let free = free.min(limiter.lookups(now));
        let mut due: Vec<_> = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.query.is_due(now) && !entry.is_departed())
            .collect();
        due.sort_by_key(|(_, entry)| entry.query.next());
        due.into_iter()
            .take(free)
            .map(|(name, entry)| (name.clone(), entry.start(now)))
            .filter(|(_, families)| !families.is_empty())
            .inspect(|_| limiter.start(now))
            .collect()
    }

    /// Returns when [`Cache::due`] or [`Cache::expire`] next has something to do, as time since the start, possibly in the past; `None`
    /// while only an answer or other names can change that.
    pub fn next_wake(&self, limiter: &RateLimiter) -> Option<Duration> {
        let asking = self
            .entries
            .values()
            .filter(|e| e.query.is_outstanding())
            .count();
        let has_room = asking < self.settings.in_flight;
        let entries = || self.entries.values();
        let asks = entries()
            .filter(|entry| !entry.is_departed())
            .filter_map(|entry| entry.query.wake(has_room))
            .map(|wake| wake.max(limiter.next_lookup()));
        let ends = entries().filter_map(|entry| entry.next_end(self.settings.linger));
        asks.chain(ends).min()
    }

    /// Merges the answer of one family into the entry of `name`. Addresses that `check` refuses are not added. An answer for a name that
    /// left the set changes nothing.
    pub fn answered(
        &mut self,
        name: &Name,
        (family, answer): (Family, Result<Resolved, LookupFailure>),
        check: AnswerCheck<'_>,
        now: Duration,
    ) -> AnswerOutcome {
        let Some(entry) = self.entries.get_mut(name).filter(|e| !e.is_departed()) else {
            return AnswerOutcome::default();
        };
        let check = |address| check(name, address);
        let outcome = entry.merge_answer(family, answer, check, &self.settings, now);
        if let Some(wait) = entry.wait(&self.settings, now) {
            entry
                .query
                .schedule_earliest(now + self.jitter.spread(wait));
        }
        outcome
    }

    /// Adds an address of `name` from a DNS answer to another process, or renews its linger.
    pub fn observe(
        &mut self,
        name: &Name,
        address: IpAddr,
        check: AnswerCheck<'_>,
        now: Duration,
    ) -> AnswerOutcome {
        let Some(entry) = self.entries.get_mut(name).filter(|e| !e.is_departed()) else {
            return AnswerOutcome::default();
        };
        entry.observe(address, check(name, address), &self.settings, now)
    }

    /// Sets the addresses that `/etc/hosts` gives to the names, and returns those that are new for their name.
    pub fn pin(
        &mut self,
        pins: &BTreeMap<Name, BTreeMap<IpAddr, HostsPin>>,
        now: Duration,
    ) -> Vec<(Name, IpAddr)> {
        let mut added = Vec::new();
        let none = BTreeMap::new();
        for (name, entry) in &mut self.entries {
            let pins = pins.get(name).filter(|_| !entry.is_departed());
            let addresses = entry.pin(pins.unwrap_or(&none), now).into_iter();
            added.extend(addresses.map(|address| (name.clone(), address)));
        }
        added
    }

    /// Forgets that answers to other processes contained this address of `name`, and returns whether that removed it.
    pub fn forget_observed(&mut self, name: &Name, address: IpAddr) -> bool {
        let entry = self.entries.get_mut(name);
        entry.is_some_and(|entry| entry.forget_observed(address))
    }

    /// Whether the last successful answer to the daemon or `/etc/hosts` gives `name` this address.
    pub fn is_current(&self, name: &Name, address: IpAddr) -> bool {
        let entry = self.entries.get(name);
        let mut addresses = entry.into_iter().flat_map(NameEntry::addresses);
        addresses.any(|(given, entry)| given == address && entry.is_current())
    }

    /// Makes `name` due now, or when the shortest interval since its last query is over.
    pub fn requery_name_now(&mut self, name: &Name, now: Duration) {
        if let Some(entry) = self.entries.get_mut(name) {
            let soonest = entry.looked_up.map(|at| at + self.settings.ttl_floor);
            entry
                .query
                .requery_by(soonest.map_or(now, |at| at.max(now)));
        }
    }

    /// Removes the addresses whose linger is over, and returns them.
    pub fn expire(&mut self, now: Duration) -> Vec<(Name, IpAddr)> {
        let linger = self.settings.linger;
        let mut gone = Vec::new();
        self.entries.retain(|name, entry| {
            let addresses = entry.expire(linger, now);
            gone.extend(addresses.into_iter().map(|address| (name.clone(), address)));
            !entry.is_gone(linger, now)
        });
        gone
    }

    /// Applies a changed answer check to every address, and returns those that it refuses, which are removed.
    pub fn recheck(&mut self, check: AnswerCheck<'_>) -> Vec<(Name, IpAddr)> {
        let mut gone = Vec::new();
        for (name, entry) in &mut self.entries {
            let addresses = entry.recheck(name, check);
            gone.extend(addresses.into_iter().map(|address| (name.clone(), address)));
        }
        gone
    }

    /// Every name with its entry, including names that left the set and linger.
    pub fn entries(&self) -> impl Iterator<Item = (&Name, &NameEntry)> {
        self.entries.iter()
    }

    fn busy(&self, now: Duration) -> usize {
        self.entries
            .values()
            .filter(|entry| entry.query.is_in_flight(now))
            .count()
    }
}
