//! Takes an answer into a name's entry.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{Failing, Family, NameEntry};
use crate::name::Name;
use crate::resolver::answer::{AnswerVerdict, LookupFailure, Resolved};
use crate::resolver::cache::address::{AddressEntry, Refusal};
use crate::resolver::cache::{AnswerOutcome, CacheSettings};

/// How many refused addresses one name keeps for its report.
const REFUSALS_KEPT: usize = 32;

impl NameEntry {
    /// Takes in the answer of one family; `check` judges each address. What it says takes effect at once, but for "no address", which
    /// waits for the other family: it is a success only beside addresses of that.
    pub(in crate::resolver::cache) fn merge_answer(
        &mut self,
        family: Family,
        answer: Result<Resolved, LookupFailure>,
        check: impl Fn(IpAddr) -> AnswerVerdict,
        settings: &CacheSettings,
        now: Duration,
    ) -> AnswerOutcome {
        let mut outcome = AnswerOutcome::default();
        self.questions.finish(family);
        self.empty[family.index()] = None;
        match judge(family, answer, &check, &mut outcome) {
            Ok(judged) => self.succeed(family, judged, settings, now, &mut outcome),
            Err(LookupFailure::NoAddress { ttl }) => self.empty[family.index()] = Some(ttl),
            Err(error) => self.fail(family, error, now, &mut outcome),
        }
        self.settle_empty(settings, now, &mut outcome);
        self.note_refusals(&mut outcome, settings.linger, now);
        outcome
    }

    /// Takes in "no address" answers for which the other family's answer is there.
    fn settle_empty(
        &mut self,
        settings: &CacheSettings,
        now: Duration,
        outcome: &mut AnswerOutcome,
    ) {
        let empty = self.empty;
        for family in Family::BOTH {
            let other = family.other();
            let Some(ttl) = empty[family.index()] else {
                continue;
            };
            if self.questions.is_in_flight(other, now) {
                continue;
            }
            self.empty[family.index()] = None;
            let beside = self.family(other);
            let is_good = beside.failing.is_none() && beside.last_success.is_some();
            if is_good && empty[other.index()].is_none() {
                let nothing = Judged::nothing(ttl.unwrap_or(beside.ttl));
                self.succeed(family, nothing, settings, now, outcome);
            } else {
                self.fail(family, LookupFailure::NoAddress { ttl }, now, outcome);
            }
        }
    }

    /// Takes in one address of an answer that somebody else received. It lingers from now on, whatever the TTL of that answer. How many
    /// addresses come in this way is for the caller to bound ([`super::super::Cache::forget_observed`]).
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
        judged: Judged,
        settings: &CacheSettings,
        now: Duration,
        outcome: &mut AnswerOutcome,
    ) {
        self.failures[family.index()] = 0;
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
        // First what the answer leaves out: it makes room for what the answer brings.
        self.of(family)
            .filter(|(address, _)| !judged.accepted.contains_key(address))
            .for_each(|(_, entry)| entry.leave_out(now));
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
        if known.is_none_or(AddressEntry::is_snooped) && !self.make_room(cap) {
            let reason = format!("the answer has more than {cap} addresses, no more are taken");
            outcome.refused.push((address, Cow::Owned(reason)));
            return;
        }
        if !self.addresses.contains_key(&address) {
            outcome.added.push(address);
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

    /// Makes room for an address of an answer to the daemon: the one that such answers have left out for the longest goes. `false` where
    /// all are in the last answer.
    fn make_room(&mut self, cap: usize) -> bool {
        if self.own_addresses() < cap {
            return true;
        }
        let left_out = self.addresses.iter();
        let left_out = left_out.filter_map(|(address, entry)| Some((entry.left_out()?, *address)));
        let Some((_, oldest)) = left_out.min() else {
            return false;
        };
        let is_gone = self
            .addresses
            .get_mut(&oldest)
            .is_none_or(|entry| !entry.disown());
        if is_gone {
            self.addresses.remove(&oldest);
        }
        true
    }

    /// Keeps the refusals for the report, and leaves in `outcome` those that are new.
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
    outcome: &mut AnswerOutcome,
) -> Result<Judged, LookupFailure> {
    let resolved = answer?;
    let mut accepted = BTreeMap::new();
    let mut refused = false;
    for address in resolved.addresses.into_iter().filter(|a| family.has(*a)) {
        let untagged = match check(address) {
            AnswerVerdict::Accept => false,
            AnswerVerdict::AcceptUntagged => true,
            AnswerVerdict::Refuse(reason) => {
                refused = true;
                outcome.refused.push((address, reason));
                continue;
            }
        };
        accepted.insert(address, untagged);
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
