//! Takes an answer into a name's entry.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{Failing, Family, NameEntry};
use crate::name::Name;
use crate::resolver::answer::{Answer, AnswerVerdict, LookupFailure, Resolved};
use crate::resolver::cache::address::{AddressEntry, Refusal};
use crate::resolver::cache::{Outcome, Settings};

/// How many refused addresses one name keeps for its report.
const REFUSALS_KEPT: usize = 32;

impl NameEntry {
    /// Takes in an answer; `check` judges each address.
    pub(in crate::resolver::cache) fn absorb(
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
        self.note_refusals(&mut outcome, settings.linger, now);
        outcome
    }

    /// Takes in one address of an answer that somebody else received. It lingers from now on, unless an answer of one's own holds it.
    pub(in crate::resolver::cache) fn sight(
        &mut self,
        address: IpAddr,
        verdict: AnswerVerdict,
        ttl: Duration,
        settings: &Settings,
        now: Duration,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let untagged = match verdict {
            AnswerVerdict::Accept => false,
            AnswerVerdict::AcceptUntagged => true,
            AnswerVerdict::Refuse(reason) => {
                outcome.refused.push((address, reason));
                self.note_refusals(&mut outcome, settings.linger, now);
                return outcome;
            }
        };
        let known = self.addresses.get(&address);
        let answered = known.is_some_and(|entry| entry.left_out_age(now).is_none());
        self.see(
            address,
            untagged,
            ttl,
            settings.addresses,
            now,
            &mut outcome,
        );
        if let Some(entry) = self.addresses.get_mut(&address)
            && !answered
        {
            entry.learn(now);
        }
        outcome
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

    /// Keeps the refusals for the report, and leaves in `outcome` those that are new.
    fn note_refusals(&mut self, outcome: &mut Outcome, linger: Duration, now: Duration) {
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
    outcome: &mut Outcome,
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
