//! What one answer says about a region's name.

use std::net::IpAddr;

use crate::resolver::answer::{Answer, LookupFailure, Resolved};

/// What one answer says about a region's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProbeResult {
    /// Every address is one that a replica there has.
    Replica,
    /// These addresses are not.
    Elsewhere(Vec<IpAddr>),
    /// There is no such name, or no address.
    Absent,
    /// No answer came that says so or otherwise.
    Unknown(LookupFailure),
}

/// Judges `answer`, where `is_home` tells the addresses that a replica there can have.
pub(super) fn verdict(answer: &Answer, is_home: impl Fn(IpAddr) -> bool) -> ProbeResult {
    let families = [&answer.v4, &answer.v6];
    let found = families.into_iter().flatten();
    let addresses: Vec<IpAddr> = found.flat_map(|f| f.addresses.iter().copied()).collect();
    if addresses.is_empty() {
        let failure = families.into_iter().find_map(failure);
        return failure.map_or(ProbeResult::Absent, ProbeResult::Unknown);
    }
    let elsewhere: Vec<IpAddr> = addresses.into_iter().filter(|ip| !is_home(*ip)).collect();
    if elsewhere.is_empty() {
        return ProbeResult::Replica;
    }
    ProbeResult::Elsewhere(elsewhere)
}

/// Why a family says nothing, where that is so.
fn failure(family: &Result<Resolved, LookupFailure>) -> Option<LookupFailure> {
    match family {
        Ok(_) | Err(LookupFailure::NxDomain | LookupFailure::NoAddress { .. }) => None,
        Err(
            failure @ (LookupFailure::Timeout
            | LookupFailure::ServerFailure(_)
            | LookupFailure::Io(_)
            | LookupFailure::AllRefused),
        ) => Some(failure.clone()),
    }
}
