//! The last good addresses of every allowed name, and when to ask again. No I/O: time and answers come in as parameters.
//!
//! What is kept, and for how long:
//! - An address of the last successful answer is never removed.
//! - A failed lookup removes nothing. A question fails by an error, by silence, by NXDOMAIN, by an answer without any
//!   address in either family, and by an answer of which the check refuses every address.
//! - An address that successful answers leave out goes when it has been left out for `linger` and its TTL is over. Time in
//!   which its family fails does not count towards `linger`, so an outage never shrinks a rotating set.
//! - The families stand for themselves: each takes effect as its answer arrives, and one that never answers holds up nothing of the other.
//!   But "no address of this family" is a success only beside addresses of the other, and waits for that one's answer.
//! - A name that leaves the set keeps its addresses for `linger`, then goes with all of them.
//! - Beyond [`CacheSettings::addresses`] per name, and each name's share of [`CacheSettings::total`], an address of a new answer takes the place of
//!   the one that answers have left out for the longest; of an answer that is larger than that, the rest is refused.
//! - An address that only answers to others held stays for `linger` after the last of them, whatever their TTL and whatever fails. Such
//!   addresses have a budget of their own ([`snoop_budget`]) and take no room from others.
//! - An address that the host's own table of names gives stays while it does, and for `linger` after that. It takes no room from others.
//!
//! Every `now` is time since the daemon started, on a clock that never jumps; it may stand still while the host sleeps.

pub(in crate::resolver) mod address;
mod entry;
pub(in crate::resolver) mod persist;
pub(in crate::resolver) mod schedule;
pub mod snoop_budget;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

pub use address::{AddressEntry, HostsPin, Refusal};
pub use entry::{Failing, Family, FamilyState, NameEntry};

use super::answer::{AnswerCheck, LookupFailure, Resolved};
use super::rate_limiter::RateLimiter;
use crate::name::Name;
use schedule::Jitter;

/// After this long a question without an answer counts as lost, and its name is asked again. Longer than any
/// [`Lookup`](super::lookup::Lookup) takes.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// How the cache keeps and asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// How long an address stays after the first successful answer that leaves it out.
    pub linger: Duration,
    /// No name is asked more often than this, whatever its TTL.
    pub ttl_floor: Duration,
    /// Every name is asked at least this often.
    pub ttl_ceiling: Duration,
    /// The first wait after a failure; it doubles with each further one.
    pub retry_min: Duration,
    /// The longest wait after failures.
    pub retry_max: Duration,
    /// How many names are asked at the same time.
    pub in_flight: usize,
    /// How many addresses one name can have by answers to the daemon, so that a lying resolver cannot fill the kernel's map.
    pub addresses: usize,
    /// How many addresses all names can have together by answers to the daemon; each name has an equal share.
    pub total: usize,
    /// Where the jitter starts.
    pub seed: u64,
}

impl Default for CacheSettings {
    /// The product's values; a linger of 15 minutes is also what Azure Firewall gives an FQDN rule.
    fn default() -> Self {
        Self {
            linger: Duration::from_secs(15 * 60),
            ttl_floor: Duration::from_secs(1),
            ttl_ceiling: Duration::from_secs(300),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
            in_flight: 16,
            addresses: 256,
            total: 5888,
            seed: 0,
        }
    }
}

/// What an answer changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerOutcome {
    /// Addresses that are new for the name.
    pub added: Vec<IpAddr>,
    /// Accepted addresses that lie in no service tag; only those that are newly so.
    pub untagged: Vec<IpAddr>,
    /// Addresses that stay out, and why; only those that were not refused before.
    pub refused: Vec<(IpAddr, Cow<'static, str>)>,
    /// Families that begin to fail with this answer.
    pub failing: Vec<(Family, LookupFailure)>,
    /// Families that failed until this answer.
    pub recovered: Vec<Family>,
}

impl AnswerOutcome {
    /// Whether anything changed that others go by.
    pub fn is_news(&self) -> bool {
        *self != Self::default()
    }
}

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

    /// Makes `names` the names to resolve. New ones are due at once; those that leave keep their addresses for `linger`.
    pub fn set_names(&mut self, names: impl IntoIterator<Item = Name>, now: Duration) {
        let wanted: BTreeSet<Name> = names.into_iter().collect();
        let share = self.settings.total / wanted.len().max(1);
        self.settings.addresses = share.clamp(1, self.most_per_name);
        for (name, entry) in &mut self.entries {
            if !wanted.contains(name) {
                entry.depart(now);
            }
        }
        for name in wanted {
            self.entries
                .entry(name)
                .or_insert_with(|| NameEntry::new(now))
                .stay(now);
        }
    }

    /// Changes how long addresses stay, those that linger already included.
    pub fn set_linger(&mut self, linger: Duration) {
        self.settings.linger = linger;
    }

    /// Makes every name due now: there is a sign that answers have changed. Names that are being asked are left to their answer,
    /// those that wait for room keep their place.
    pub fn requery_now(&mut self, now: Duration) {
        for entry in self.entries.values_mut() {
            entry.ask.requery_by(now);
        }
    }

    /// The names to ask now with the families to ask for, longest overdue first, as many as `limiter` has room for. They count as in flight
    /// until [`Cache::answered`], and a family whose answer is still to come is not asked again.
    pub fn due(&mut self, now: Duration, limiter: &mut RateLimiter) -> Vec<(Name, Vec<Family>)> {
        let free = self.settings.in_flight.saturating_sub(self.busy(now));
        let free = free.min(limiter.lookups(now));
        let mut due: Vec<_> = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.ask.is_due(now) && !entry.is_departed())
            .collect();
        due.sort_by_key(|(_, entry)| entry.ask.next());
        due.into_iter()
            .take(free)
            .map(|(name, entry)| (name.clone(), entry.start(now)))
            .filter(|(_, families)| !families.is_empty())
            .inspect(|_| limiter.start(now))
            .collect()
    }

    /// When [`Cache::due`] or [`Cache::expire`] next have something to do, as time since the start; it can lie in the past.
    /// `None`: only an answer or other names can bring that.
    pub fn next_wake(&self, limiter: &RateLimiter) -> Option<Duration> {
        let asking = self.entries.values().filter(|e| e.ask.is_asking()).count();
        let has_room = asking < self.settings.in_flight;
        let entries = || self.entries.values();
        let asks = entries()
            .filter(|entry| !entry.is_departed())
            .filter_map(|entry| entry.ask.wake(has_room))
            .map(|wake| wake.max(limiter.next_lookup()));
        let ends = entries().filter_map(|entry| entry.next_end(self.settings.linger));
        asks.chain(ends).min()
    }

    /// Takes in the answer of one family for `name`. Addresses that `check` refuses never enter. An answer for a name that is no
    /// longer wanted changes nothing.
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
            entry.ask.settle(now + self.jitter.spread(wait));
        }
        outcome
    }

    /// Takes in an address of `name` from an answer that somebody else received.
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

    /// Makes the addresses that the host's own table gives the names exactly these, and returns those that are new for their name.
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

    /// Drops what answers to others said of an address of `name`, and returns whether that removed it.
    pub fn forget_observed(&mut self, name: &Name, address: IpAddr) -> bool {
        let entry = self.entries.get_mut(name);
        entry.is_some_and(|entry| entry.forget_observed(address))
    }

    /// Whether the last successful answer to the daemon or the host's own table gives `name` this address.
    pub fn is_given(&self, name: &Name, address: IpAddr) -> bool {
        let entry = self.entries.get(name);
        let mut addresses = entry.into_iter().flat_map(NameEntry::addresses);
        addresses.any(|(given, entry)| given == address && entry.is_given())
    }

    /// Makes `name` due now, or as soon as any name may be asked again.
    pub fn requery_name_now(&mut self, name: &Name, now: Duration) {
        if let Some(entry) = self.entries.get_mut(name) {
            let soonest = entry.looked_up.map(|at| at + self.settings.ttl_floor);
            entry.ask.requery_by(soonest.map_or(now, |at| at.max(now)));
        }
    }

    /// Removes what has lingered long enough, and says what went.
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

    /// Holds every address against a check that has changed, and says which ones it refuses and are gone.
    pub fn recheck(&mut self, check: AnswerCheck<'_>) -> Vec<(Name, IpAddr)> {
        let mut gone = Vec::new();
        for (name, entry) in &mut self.entries {
            let addresses = entry.recheck(name, check);
            gone.extend(addresses.into_iter().map(|address| (name.clone(), address)));
        }
        gone
    }

    /// Every name with what is known of it, names that are leaving included.
    pub fn entries(&self) -> impl Iterator<Item = (&Name, &NameEntry)> {
        self.entries.iter()
    }

    fn busy(&self, now: Duration) -> usize {
        self.entries
            .values()
            .filter(|entry| entry.ask.is_in_flight(now))
            .count()
    }
}
