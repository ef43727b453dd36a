//! One name: its addresses, and the state of its A and AAAA queries.

mod checked_answer;
pub(in crate::resolver::cache) mod merge_answer;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::address::{AddressEntry, HostsPin, Refusal};
use crate::name::Name;
use crate::resolver::answer::{AnswerCheck, AnswerVerdict, Family, LookupFailure};
use crate::resolver::schedule::{InFlightFamilies, QueryState, backoff, refresh};
use crate::resolver::settings::CacheSettings;

/// State of one family's queries for a name.
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

/// A failure that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Since when, as time since the start.
    pub since: Duration,
    /// The last failure.
    pub error: LookupFailure,
}

/// Addresses and query state of a name.
#[derive(Debug)]
pub struct NameEntry {
    addresses: BTreeMap<IpAddr, AddressEntry>,
    refused: BTreeMap<IpAddr, Refusal>,
    v4: FamilyState,
    v6: FamilyState,
    departed: Option<Duration>,
    /// Failures of each family in a row.
    failures: [u32; 2],
    /// "No address" answers with their TTL that wait for the answer of the other family.
    pending_no_address: [Option<Option<Duration>>; 2],
    in_flight: InFlightFamilies,
    /// When queries for it were last sent.
    pub(super) looked_up: Option<Duration>,
    pub(super) query: QueryState,
}

impl NameEntry {
    /// The addresses that are kept.
    pub fn addresses(&self) -> impl Iterator<Item = (IpAddr, &AddressEntry)> {
        self.addresses
            .iter()
            .map(|(address, entry)| (*address, entry))
    }

    /// The addresses that the answer check refused.
    pub fn refused(&self) -> impl Iterator<Item = (IpAddr, &Refusal)> {
        self.refused
            .iter()
            .map(|(address, refusal)| (*address, refusal))
    }

    /// The state of one family's queries.
    pub fn family(&self, family: Family) -> &FamilyState {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// The CNAME targets in order, from the A answer where it has any.
    pub fn chain(&self) -> &[Name] {
        let chains = [&self.v4.chain, &self.v6.chain];
        chains
            .into_iter()
            .find(|c| !c.is_empty())
            .map_or(&[], Vec::as_slice)
    }

    /// Whether it left the set, so that its addresses only linger.
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
            pending_no_address: [None; 2],
            in_flight: InFlightFamilies::default(),
            looked_up: None,
            query: QueryState::Waiting(now),
        }
    }

    pub(super) fn depart(&mut self, now: Duration) {
        self.departed.get_or_insert(now);
        self.in_flight = InFlightFamilies::default();
        self.pending_no_address = [None; 2];
        self.query = QueryState::Waiting(now);
    }

    /// Marks its queries as sent, and returns the families to query: those not in flight already.
    pub(super) fn start(&mut self, now: Duration) -> Vec<Family> {
        self.query.start(now);
        let families = self.in_flight.start(now);
        for family in &families {
            self.pending_no_address[family.index()] = None;
        }
        if !families.is_empty() {
            self.looked_up = Some(now);
        }
        families
    }

    /// Keeps the name in the set, and returns whether it had left.
    pub(super) fn stay(&mut self, now: Duration) -> bool {
        let had_left = self.departed.take().is_some();
        if had_left {
            self.query = QueryState::Waiting(now);
        }
        had_left
    }

    /// Returns the wait until the next query, before jitter; `None` while an answer waits for that of the other family.
    pub(super) fn wait(&self, settings: &CacheSettings, now: Duration) -> Option<Duration> {
        if self.pending_no_address.iter().any(Option::is_some) {
            return None;
        }
        let answered = Family::BOTH.into_iter();
        let answered = answered.filter(|family| !self.in_flight.is_in_flight(*family, now));
        let waits = answered.filter_map(|family| {
            let (state, failures) = (self.family(family), self.failures[family.index()]);
            if state.failing.is_some() {
                return Some(backoff(failures, settings.retry_min, settings.retry_max));
            }
            state.last_success.map(|_| refresh(state.ttl, settings))
        });
        Some(waits.min().unwrap_or(settings.ttl_ceiling))
    }

    /// Returns when time alone removes an address or the name, as time since the start.
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

    /// Removes the addresses whose time is over, and returns them.
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

    /// Whether the name left the set more than `linger` ago.
    pub(super) fn is_gone(&self, linger: Duration, now: Duration) -> bool {
        self.departed.is_some_and(|since| since + linger <= now)
    }

    /// Forgets that answers to other processes contained this address, and returns whether that removed it.
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

    /// Sets the addresses that `/etc/hosts` gives, and returns the new ones.
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

    /// The number of addresses from answers to the daemon.
    fn resolved_addresses(&self) -> usize {
        let resolved = self.addresses.values().filter(|it| !it.is_snooped());
        resolved.count()
    }

    /// Adds an address from the state file as last good. Returns `false` where it is known already or there is no room.
    pub(super) fn restore(&mut self, address: IpAddr, entry: AddressEntry, cap: usize) -> bool {
        let fits = self.resolved_addresses() < cap && !self.addresses.contains_key(&address);
        if fits {
            self.addresses.insert(address, entry);
        }
        fits
    }

    /// Removes the addresses that `check` refuses, and returns them.
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
