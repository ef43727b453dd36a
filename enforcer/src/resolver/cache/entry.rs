//! One name: its addresses, and how its two questions fare.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::address::{AddressEntry, Refusal};
use super::schedule::{Ask, backoff, refresh};
use super::{Outcome, Settings};
use crate::name::Name;
use crate::resolver::answer::{Answer, AnswerVerdict, LookupFailure, Resolved};

/// How many refused addresses one name keeps for its report.
const REFUSALS_KEPT: usize = 32;

/// An address family, and so one of the two questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

impl Family {
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
    failures: u32,
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
            failures: 0,
            ask: Ask::Waiting(now),
        }
    }

    pub(super) fn depart(&mut self, now: Duration) {
        self.departed.get_or_insert(now);
    }

    pub(super) fn stay(&mut self, now: Duration) {
        if self.departed.take().is_some() {
            self.ask = Ask::Waiting(now);
        }
    }

    /// Takes in an answer; `check` judges each address.
    pub(super) fn absorb(
        &mut self,
        answer: Answer,
        check: impl Fn(IpAddr) -> AnswerVerdict,
        settings: &Settings,
        now: Duration,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let v4 = judge(Family::V4, answer.v4, &check, &mut outcome);
        let v6 = judge(Family::V6, answer.v6, &check, &mut outcome);
        let (v4, v6) = match (v4, v6) {
            (Ok(judged), Err(LookupFailure::NoAddress { ttl })) => {
                let nothing = Judged::nothing(ttl.unwrap_or(judged.ttl));
                (Ok(judged), Ok(nothing))
            }
            (Err(LookupFailure::NoAddress { ttl }), Ok(judged)) => {
                (Ok(Judged::nothing(ttl.unwrap_or(judged.ttl))), Ok(judged))
            }
            each => each,
        };
        let failed = v4.is_err() || v6.is_err();
        self.failures = if failed {
            self.failures.saturating_add(1)
        } else {
            0
        };
        for (family, judged) in [(Family::V4, v4), (Family::V6, v6)] {
            match judged {
                Ok(judged) => self.succeed(family, judged, settings, now, &mut outcome),
                Err(error) => self.fail(family, error, now, &mut outcome),
            }
        }
        self.note_refusals(&outcome, settings.linger, now);
        outcome
    }

    /// How long to wait until the next question, before jitter.
    pub(super) fn wait(&self, settings: &Settings) -> Duration {
        let good = [&self.v4, &self.v6]
            .into_iter()
            .filter(|state| state.failing.is_none())
            .map(|state| refresh(state.ttl, settings));
        let retry = (self.failures > 0).then(|| backoff(self.failures, settings));
        good.chain(retry).min().unwrap_or(settings.ttl_ceiling)
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

    /// Enters an address from the state file as last good; `false` where it is known already or there is no room.
    pub(super) fn restore(&mut self, address: IpAddr, entry: AddressEntry, cap: usize) -> bool {
        let fits = self.addresses.len() < cap && !self.addresses.contains_key(&address);
        if fits {
            self.addresses.insert(address, entry);
        }
        fits
    }

    fn end(&self, address: IpAddr, entry: &AddressEntry, linger: Duration) -> Option<Duration> {
        let family = if address.is_ipv4() {
            &self.v4
        } else {
            &self.v6
        };
        entry.end(linger).filter(|_| family.failing.is_none())
    }

    fn succeed(
        &mut self,
        family: Family,
        judged: Judged,
        settings: &Settings,
        now: Duration,
        outcome: &mut Outcome,
    ) {
        let state = self.family_mut(family);
        state.last_success = Some(now);
        state.ttl = judged.ttl;
        state.chain = judged.chain;
        let outage = state
            .failing
            .take()
            .map(|failing| now.saturating_sub(failing.since));
        if let Some(outage) = outage {
            outcome.recovered.push(family);
            self.of(family).for_each(|(_, entry)| entry.pause(outage));
        }
        for (address, untagged) in &judged.accepted {
            self.see(
                *address,
                *untagged,
                judged.ttl,
                settings.addresses,
                now,
                outcome,
            );
        }
        self.of(family)
            .filter(|(address, _)| !judged.accepted.contains_key(address))
            .for_each(|(_, entry)| entry.leave_out(now));
    }

    fn fail(&mut self, family: Family, error: LookupFailure, now: Duration, outcome: &mut Outcome) {
        let state = self.family_mut(family);
        let since = match &state.failing {
            Some(failing) => failing.since,
            None => {
                outcome.failing.push((family, error.clone()));
                now
            }
        };
        state.failing = Some(Failing { since, error });
    }

    fn see(
        &mut self,
        address: IpAddr,
        untagged: bool,
        ttl: Duration,
        cap: usize,
        now: Duration,
        outcome: &mut Outcome,
    ) {
        if !self.addresses.contains_key(&address) {
            if self.addresses.len() >= cap {
                let reason = format!("the name has {cap} addresses already, no more are taken");
                outcome.refused.push((address, Cow::Owned(reason)));
                return;
            }
            outcome.added.push(address);
        }
        if untagged {
            outcome.untagged.push(address);
        }
        self.refused.remove(&address);
        self.addresses
            .entry(address)
            .or_insert_with(|| AddressEntry::new(now))
            .see(ttl, untagged, now);
    }

    fn note_refusals(&mut self, outcome: &Outcome, linger: Duration, now: Duration) {
        self.refused
            .retain(|_, refusal| now < refusal.last_seen + linger);
        for (address, reason) in &outcome.refused {
            if self.refused.len() < REFUSALS_KEPT || self.refused.contains_key(address) {
                let refusal = Refusal {
                    reason: reason.clone(),
                    last_seen: now,
                };
                self.refused.insert(*address, refusal);
            }
        }
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

/// The addresses of one family that the check accepted, each with whether it is untagged.
struct Judged {
    accepted: BTreeMap<IpAddr, bool>,
    ttl: Duration,
    chain: Vec<Name>,
}

impl Judged {
    fn nothing(ttl: Duration) -> Self {
        Self {
            accepted: BTreeMap::new(),
            ttl,
            chain: Vec::new(),
        }
    }
}

fn judge(
    family: Family,
    answer: Result<Resolved, LookupFailure>,
    check: &impl Fn(IpAddr) -> AnswerVerdict,
    outcome: &mut Outcome,
) -> Result<Judged, LookupFailure> {
    let resolved = answer?;
    let mut accepted = BTreeMap::new();
    let mut refused = false;
    for address in resolved.addresses.into_iter().filter(|a| family.has(*a)) {
        match check(address) {
            AnswerVerdict::Accept => drop(accepted.insert(address, false)),
            AnswerVerdict::AcceptUntagged => drop(accepted.insert(address, true)),
            AnswerVerdict::Refuse(reason) => {
                refused = true;
                outcome.refused.push((address, reason));
            }
        }
    }
    match (accepted.is_empty(), refused) {
        (true, true) => Err(LookupFailure::AllRefused),
        (true, false) => Err(LookupFailure::NoAddress {
            ttl: Some(resolved.ttl),
        }),
        (false, _) => Ok(Judged {
            accepted,
            ttl: resolved.ttl,
            chain: resolved.chain,
        }),
    }
}
