//! The answer of one family after the answer check.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::name::Name;
use crate::resolver::answer::{AnswerVerdict, Family, LookupFailure, Resolved};

/// The accepted addresses of one family, each with whether it is untagged.
pub(super) struct CheckedAnswer {
    pub(super) accepted: BTreeMap<IpAddr, bool>,
    pub(super) ttl: Duration,
    pub(super) chain: Vec<Name>,
}

impl CheckedAnswer {
    /// An answer without addresses.
    pub(super) fn empty(ttl: Duration) -> Self {
        Self {
            accepted: BTreeMap::new(),
            ttl,
            chain: Vec::new(),
        }
    }

    /// Applies the answer check to each address of an answer, and appends those that it refuses to `refused`.
    ///
    /// # Errors
    /// The failure of the query, or that no address is left.
    pub(super) fn of(
        family: Family,
        answer: Result<Resolved, LookupFailure>,
        check: &impl Fn(IpAddr) -> AnswerVerdict,
        refused: &mut Vec<(IpAddr, Cow<'static, str>)>,
    ) -> Result<Self, LookupFailure> {
        let resolved = answer?;
        let mut accepted = BTreeMap::new();
        let before = refused.len();
        for address in resolved.addresses.into_iter().filter(|a| family.has(*a)) {
            let untagged = match check(address) {
                AnswerVerdict::Accept => false,
                AnswerVerdict::AcceptUntagged => true,
                AnswerVerdict::Refuse(reason) => {
                    refused.push((address, reason));
                    continue;
                }
            };
            accepted.insert(address, untagged);
        }
        match (accepted.is_empty(), refused.len() > before) {
            (true, true) => Err(LookupFailure::AllRefused),
            (true, false) => Err(LookupFailure::NoAddress {
                ttl: Some(resolved.ttl),
            }),
            (false, _) => Ok(Self {
                accepted,
                ttl: resolved.ttl,
                chain: resolved.chain,
            }),
        }
    }
}
