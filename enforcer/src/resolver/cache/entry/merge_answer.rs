//! Merges DNS answers into a name's entry.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use super::checked_answer::CheckedAnswer;
use super::{Failing, NameEntry};
use crate::resolver::answer::{AnswerVerdict, Family, LookupFailure, Resolved};
use crate::resolver::cache::address::{AddressEntry, Refusal};
use crate::resolver::settings::CacheSettings;

/// The most refused addresses that are kept for one name's report.
const REFUSALS_KEPT: usize = 32;

/// What an answer changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerOutcome {
    /// Addresses that are new for the name.
    pub added: Vec<IpAddr>,
    /// Addresses that only answers to other processes or `/etc/hosts` gave before, and now an answer to the daemon.
    pub confirmed: Vec<IpAddr>,
    /// Accepted addresses that are in no service tag and were not known as such before.
    pub untagged: Vec<IpAddr>,
    /// Addresses that the answer check refused, with the reason; only those that were not refused before.
    pub refused: Vec<(IpAddr, Cow<'static, str>)>,
    /// Families that begin to fail with this answer.
    pub failing: Vec<(Family, LookupFailure)>,
    /// Families that succeed again with this answer.
    pub recovered: Vec<Family>,
}

impl AnswerOutcome {
    /// Whether anything changed.
    pub fn has_changes(&self) -> bool {
        *self != Self::default()
    }
}

impl NameEntry {
    /// Merges the answer of one family; `check` is the answer check. The answer takes effect at once, but for "no address": that is a
    /// success only when the other family has addresses, so it waits for the other answer.
    pub(in crate::resolver::cache) fn merge_answer(
        &mut self,
        family: Family,
        answer: Result<Resolved, LookupFailure>,
        check: impl Fn(IpAddr) -> AnswerVerdict,
        settings: &CacheSettings,
        now: Duration,
    ) -> AnswerOutcome {
        let mut outcome = AnswerOutcome::default();
        self.in_flight.finish(family);
        self.pending_no_address[family.index()] = None;
        match CheckedAnswer::of(family, answer, &check, &mut outcome.refused) {
            Ok(checked) => self.succeed(family, checked, settings, now, &mut outcome),
            Err(LookupFailure::NoAddress { ttl }) => {
                self.pending_no_address[family.index()] = Some(ttl);
            }
            Err(error) => self.fail(family, error, now, &mut outcome),
        }
        self.merge_pending(settings, now, &mut outcome);
        self.note_refusals(&mut outcome, settings.linger, now);
        outcome
    }

    /// Merges the "no address" answers that no longer wait for the other family.
    fn merge_pending(
        &mut self,
        settings: &CacheSettings,
        now: Duration,
        outcome: &mut AnswerOutcome,
    ) {
        let pending = self.pending_no_address;
        for family in Family::BOTH {
            let other = family.other();
            let Some(ttl) = pending[family.index()] else {
                continue;
            };
            if self.in_flight.is_in_flight(other, now) {
                continue;
            }
            self.pending_no_address[family.index()] = None;
            let beside = self.family(other);
            let is_good = beside.failing.is_none() && beside.last_success.is_some();
            if is_good && pending[other.index()].is_none() {
                let nothing = CheckedAnswer::empty(ttl.unwrap_or(beside.ttl));
                self.succeed(family, nothing, settings, now, outcome);
            } else {
                self.fail(family, LookupFailure::NoAddress { ttl }, now, outcome);
            }
        }
    }

    /// Adds one address of a DNS answer to another process. It lingers from now on, whatever the TTL of that answer. The caller bounds the
    /// number of such addresses ([`Cache::forget_observed`](crate::resolver::cache::Cache::forget_observed)).
    pub(in crate::resolver::cache) fn observe(
        &mut self,
        address: IpAddr,
        verdict: AnswerVerdict,
        settings: &CacheSettings,
        now: Duration,
    ) -> AnswerOutcome {
        let mut outcome = AnswerOutcome::default();
        let untagged = match verdict {
            AnswerVerdict::Accept => false,
            AnswerVerdict::AcceptUntagged => true,
            AnswerVerdict::Refuse(reason) => {
                outcome.refused.push((address, reason));
                self.note_refusals(&mut outcome, settings.linger, now);
                return outcome;
            }
        };
        self.refused.remove(&address);
        let known = self.addresses.get_mut(&address);
        if untagged && !known.as_ref().is_some_and(|entry| entry.is_untagged()) {
            outcome.untagged.push(address);
        }
        match known {
            Some(entry) => entry.observe(untagged, now),
            None => {
                outcome.added.push(address);
                let entry = AddressEntry::observed(now, untagged);
                self.addresses.insert(address, entry);
            }
        }
        outcome
    }

    fn succeed(
        &mut self,
        family: Family,
        checked: CheckedAnswer,
        settings: &CacheSettings,
        now: Duration,
        outcome: &mut AnswerOutcome,
    ) {
        self.failures[family.index()] = 0;
        let state = self.family_mut(family);
        state.last_success = Some(now);
        state.ttl = checked.ttl;
        state.chain = checked.chain;
        let outage = state
            .failing
            .take()
            .map(|failing| now.saturating_sub(failing.since));
        if let Some(outage) = outage {
            outcome.recovered.push(family);
            self.of(family).for_each(|(_, entry)| entry.pause(outage));
        }
        // The omitted addresses first: they make room for new ones.
        self.of(family)
            .filter(|(address, _)| !checked.accepted.contains_key(address))
            .for_each(|(_, entry)| entry.omit(now));
        for (address, untagged) in &checked.accepted {
            self.see(
                *address,
                *untagged,
                checked.ttl,
                settings.addresses,
                now,
                outcome,
            );
        }
    }

    fn fail(
        &mut self,
        family: Family,
        error: LookupFailure,
        now: Duration,
        outcome: &mut AnswerOutcome,
    ) {
        let failures = &mut self.failures[family.index()];
        *failures = failures.saturating_add(1);
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
        outcome: &mut AnswerOutcome,
    ) {
        let known = self.addresses.get(&address);
        if known.is_none_or(AddressEntry::is_snooped) {
            if !self.make_room(cap) {
                let reason =
                    format!("the answer has more than {cap} addresses; the rest is ignored");
                outcome.refused.push((address, Cow::Owned(reason)));
                return;
            }
            match self.addresses.contains_key(&address) {
                true => outcome.confirmed.push(address),
                false => outcome.added.push(address),
            }
        }
        self.refused.remove(&address);
        let entry = self
            .addresses
            .entry(address)
            .or_insert_with(|| AddressEntry::new(now));
        if untagged && !entry.is_untagged() {
            outcome.untagged.push(address);
        }
        entry.see(ttl, untagged, now);
    }

    /// Makes room for an address of an answer to the daemon by removing the one that such answers have omitted for the longest. Returns
    /// `false` where all are in the last answer.
    fn make_room(&mut self, cap: usize) -> bool {
        if self.resolved_addresses() < cap {
            return true;
        }
        let omitted = self.addresses.iter();
        let omitted = omitted.filter_map(|(address, entry)| Some((entry.omitted()?, *address)));
        let Some((_, oldest)) = omitted.min() else {
            return false;
        };
        let is_gone = self
            .addresses
            .get_mut(&oldest)
            .is_none_or(|entry| !entry.forget_resolved());
        if is_gone {
            self.addresses.remove(&oldest);
        }
        true
    }

    /// Stores the refusals for the report, and leaves only new ones in `outcome`.
    fn note_refusals(&mut self, outcome: &mut AnswerOutcome, linger: Duration, now: Duration) {
        self.refused
            .retain(|_, refusal| now < refusal.last_seen + linger);
        outcome.refused.retain(|(address, reason)| {
            let has_room = self.refused.len() < REFUSALS_KEPT;
            let known = self.refused.contains_key(address);
            if known || has_room {
                let refusal = Refusal {
                    reason: reason.clone(),
                    last_seen: now,
                };
                self.refused.insert(*address, refusal);
            }
            !known && has_room
        });
    }
}
