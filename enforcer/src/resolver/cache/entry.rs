//! One name: its addresses, and how its two questions fare.

mod merge_answer;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::address::{AddressEntry, HostsPin, Refusal};
use super::schedule::{Ask, Questions, backoff, refresh};
use super::{AnswerCheck, CacheSettings};
use crate::name::Name;
use crate::resolver::answer::{AnswerVerdict, LookupFailure};

/// An address family, and so one of the two questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

impl Family {
    /// Both of them.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }

    /// Its place in a pair.
    pub(in crate::resolver) const fn index(self) -> usize {
        self as usize
    }

    fn has(self, address: IpAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// How one question of a name fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FamilyState {
    /// When it last succeeded, as time since the start.
    pub last_success: Option<Duration>,
    /// The TTL of that answer.
    pub ttl: Duration,
    /// The CNAME targets of that answer, in order.
    pub chain: Vec<Name>,
    /// Set while it fails.
    pub failing: Option<Failing>,
}

/// A question that fails at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Since when, as time since the start.
    pub since: Duration,
    /// The last failure.
    pub error: LookupFailure,
}

/// All that is known of a name.
#[derive(Debug)]
pub struct NameEntry {
    addresses: BTreeMap<IpAddr, AddressEntry>,
    refused: BTreeMap<IpAddr, Refusal>,
    v4: FamilyState,
    v6: FamilyState,
    departed: Option<Duration>,
    /// How often in a row each question failed.
    failures: [u32; 2],
    /// "No address" answers, with their time to live, that count once the answer of the other family is there.
    empty: [Option<Option<Duration>>; 2],
    questions: Questions,
    /// When it was last asked for.
    pub(super) looked_up: Option<Duration>,
    pub(super) ask: Ask,
}

impl NameEntry {
    /// Its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = (IpAddr, &AddressEntry)> {
        self.addresses
            .iter()
            .map(|(address, entry)| (*address, entry))
    }

    /// Addresses that answers held and that stay out.
    pub fn refused(&self) -> impl Iterator<Item = (IpAddr, &Refusal)> {
        self.refused
            .iter()
            .map(|(address, refusal)| (*address, refusal))
    }

    /// How the question for one family fares.
    pub fn family(&self, family: Family) -> &FamilyState {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// The CNAME targets in order, of the A answer where there is one.
    pub fn chain(&self) -> &[Name] {
        let chains = [&self.v4.chain, &self.v6.chain];
        chains
            .into_iter()
            .find(|c| !c.is_empty())
            .map_or(&[], Vec::as_slice)
    }

    /// Whether policy no longer names it, so that its addresses only linger.
    pub fn is_departed(&self) -> bool {
        self.departed.is_some()
    }

    pub(super) fn new(now: Duration) -> Self {
        Self {
            addresses: BTreeMap::new(),
            refused: BTreeMap::new(),
            v4: FamilyState::default(),
            v6: FamilyState::default(),
            departed: None,
            failures: [0; 2],
            empty: [None; 2],
            questions: Questions::default(),
            looked_up: None,
            ask: Ask::Waiting(now),
        }
    }

    pub(super) fn depart(&mut self, now: Duration) {
        self.departed.get_or_insert(now);
        self.questions = Questions::default();
        self.empty = [None; 2];
        self.ask = Ask::Waiting(now);
    }

    /// Asks from now on, and returns the families to ask for: those that are not being asked already.
    pub(super) fn start(&mut self, now: Duration) -> Vec<Family> {
        self.ask.start(now);
        let families = self.questions.start(now);
        for family in &families {
            self.empty[family.index()] = None;
        }
        if !families.is_empty() {
            self.looked_up = Some(now);
        }
        families
    }

    pub(super) fn stay(&mut self, now: Duration) {
        if self.departed.take().is_some() {
            self.ask = Ask::Waiting(now);
        }
    }

    /// How long to wait until the next question, before jitter; `None` while an answer waits for that of the other family.
    pub(super) fn wait(&self, settings: &CacheSettings, now: Duration) -> Option<Duration> {
        if self.empty.iter().any(Option::is_some) {
            return None;
        }
        let answered = Family::BOTH.into_iter();
        let answered = answered.filter(|family| !self.questions.is_in_flight(*family, now));
        let waits = answered.filter_map(|family| {
            let (state, failures) = (self.family(family), self.failures[family.index()]);
            if state.failing.is_some() {
                return Some(backoff(failures, settings.retry_min, settings.retry_max));
            }
            state.last_success.map(|_| refresh(state.ttl, settings))
        });
        Some(waits.min().unwrap_or(settings.ttl_ceiling))
    }

    /// When time alone removes something, as time since the start.
    pub(super) fn next_end(&self, linger: Duration) -> Option<Duration> {
        match self.departed {
            Some(since) => Some(since + linger),
            None => self
                .addresses
                .iter()
                .filter_map(|(address, entry)| self.end(*address, entry, linger))
                .min(),
        }
    }

    /// Removes the addresses whose time is over.
    pub(super) fn expire(&mut self, linger: Duration, now: Duration) -> Vec<IpAddr> {
        self.refused
            .retain(|_, refusal| now < refusal.last_seen + linger);
        let all = self.is_gone(linger, now);
        let over: Vec<IpAddr> = self
            .addresses
            .iter()
            .filter(|(address, entry)| {
                all || self
                    .end(**address, entry, linger)
                    .is_some_and(|end| end <= now)
            })
            .map(|(address, _)| *address)
            .collect();
        for address in &over {
            self.addresses.remove(address);
        }
        over
    }

    /// Whether the name has left for longer than `linger`.
    pub(super) fn is_gone(&self, linger: Duration, now: Duration) -> bool {
        self.departed.is_some_and(|since| since + linger <= now)
    }

    /// Drops what answers to others said of an address, and returns whether that removed it.
    pub(super) fn forget_observed(&mut self, address: IpAddr) -> bool {
        let is_gone = self
            .addresses
            .get_mut(&address)
            .is_some_and(|entry| !entry.forget_observed());
        if is_gone {
            self.addresses.remove(&address);
        }
        is_gone
    }

    /// Makes the addresses that the host's own table gives exactly these, and returns the new ones.
    pub(super) fn pin(&mut self, pins: &BTreeMap<IpAddr, HostsPin>, now: Duration) -> Vec<IpAddr> {
        for (address, entry) in &mut self.addresses {
            if !pins.contains_key(address) {
                entry.unpin(now);
            }
        }
        let mut added = Vec::new();
        for (address, pin) in pins {
            self.refused.remove(address);
            let entry = self.addresses.entry(*address).or_insert_with(|| {
                added.push(*address);
                AddressEntry::found(now)
            });
            entry.pin(*pin);
        }
        added
    }

    /// How many addresses answers to the daemon held.
    fn own_addresses(&self) -> usize {
        let own = self.addresses.values().filter(|it| !it.is_snooped());
        own.count()
    }

    /// Enters an address from the state file as last good; `false` where it is known already or there is no room.
    pub(super) fn restore(&mut self, address: IpAddr, entry: AddressEntry, cap: usize) -> bool {
        let fits = self.own_addresses() < cap && !self.addresses.contains_key(&address);
        if fits {
            self.addresses.insert(address, entry);
        }
        fits
    }

    /// Removes the addresses that `check` refuses now.
    pub(super) fn recheck(&mut self, name: &Name, check: AnswerCheck<'_>) -> Vec<IpAddr> {
        let mut removed = Vec::new();
        self.addresses
            .retain(|address, entry| match check(name, *address) {
                AnswerVerdict::Accept => entry.mark(false),
                AnswerVerdict::AcceptUntagged => entry.mark(true),
                AnswerVerdict::Refuse(_) => {
                    removed.push(*address);
                    false
                }
            });
        removed
    }

    fn end(&self, address: IpAddr, entry: &AddressEntry, linger: Duration) -> Option<Duration> {
        let family = if address.is_ipv4() {
            &self.v4
        } else {
            &self.v6
        };
        entry.end(linger, family.failing.is_some())
    }

    fn of(&mut self, family: Family) -> impl Iterator<Item = (&IpAddr, &mut AddressEntry)> {
        self.addresses
            .iter_mut()
            .filter(move |(address, _)| family.has(**address))
    }

    fn family_mut(&mut self, family: Family) -> &mut FamilyState {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}
