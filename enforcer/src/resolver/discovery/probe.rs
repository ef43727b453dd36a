//! One region of one registry, and what DNS answers say about a replica there.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use ipnet::IpNet;

use crate::azure::TagSnapshot;
use crate::azure::endpoints::{Endpoint, Provenance, in_region};
use crate::config::Cloud;
use crate::name::Name;
use crate::resolver::answer::{Answer, LookupFailure, Resolved};
use crate::resolver::moment::Moment;
use crate::resolver::schedule::{QueryState, backoff};

/// The first wait after a failure; it doubles with each further one, up to the interval.
const RETRY: Duration = Duration::from_secs(60);
/// The wait after an answer without an address for an endpoint's name.
const ABSENT_RETRY: Duration = Duration::from_secs(5 * 60);

/// After this many answers in a row without an address, a name is no longer an endpoint.
pub const ABSENCES: u32 = 3;

/// A replica found in DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its data endpoint.
    pub endpoint: Endpoint,
    /// Time since an answer last showed it.
    pub age: Duration,
}

/// The name of a possible data endpoint in one region, and its state.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) endpoint: Endpoint,
    pub(super) region: String,
    pub(super) private_endpoints: Rc<[IpNet]>,
    pub(super) query: QueryState,
    /// Addresses of the last answer that are outside the region.
    pub(super) elsewhere: Vec<IpAddr>,
    login_server: Name,
    /// When an answer last confirmed it; set while it is an endpoint.
    confirmed: Option<Moment>,
    absences: u32,
    failures: u32,
}

impl Probe {
    /// Creates a probe that is due now; `None` where login server and region make no name.
    pub(super) fn new(
        login_server: &Name,
        region: &str,
        cloud: Cloud,
        now: Duration,
    ) -> Option<Self> {
        let endpoint = in_region(login_server, region, cloud).ok()?;
        Some(Self {
            endpoint: Endpoint {
                origin: Provenance::Discovered(region.to_owned()),
                ..endpoint
            },
            region: region.to_owned(),
            private_endpoints: Rc::default(),
            query: QueryState::Waiting(now),
            elsewhere: Vec::new(),
            login_server: login_server.clone(),
            confirmed: None,
            absences: 0,
            failures: 0,
        })
    }

    pub(super) fn is_of(&self, login_server: &Name) -> bool {
        self.login_server == *login_server
    }

    pub(super) fn login_server(&self) -> &Name {
        &self.login_server
    }

    pub(super) fn is_endpoint(&self) -> bool {
        self.confirmed.is_some()
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// The replica, if the name is an endpoint.
    pub(super) fn replica(&self, now: Duration) -> Option<Replica> {
        Some(Replica {
            endpoint: self.endpoint.clone(),
            age: self.confirmed?.age(now),
        })
    }

    /// Makes it an endpoint that was confirmed `age` before `now`.
    pub(super) fn restore(&mut self, age: Duration, now: Duration) {
        self.confirmed.get_or_insert(Moment::before(now, age));
    }

    pub(super) fn interpret(
        &self,
        answer: &Answer,
        tags: &TagSnapshot,
        effective: &dyn Fn(IpAddr) -> IpAddr,
    ) -> ProbeResult {
        let prefixes = tags.registry_regions.get(&self.region);
        interpret(answer, |address| {
            let address = effective(address);
            let mut private = self.private_endpoints.iter();
            prefixes.is_some_and(|prefixes| prefixes.contains(address))
                || private.any(|net| net.contains(&address))
        })
    }

    /// Applies a result, and returns whether the name became or ceased to be an endpoint.
    pub(super) fn apply(&mut self, result: ProbeResult, now: Duration) -> bool {
        if let ProbeResult::Unknown(_) = result {
            self.failures = self.failures.saturating_add(1);
            return false;
        }
        let was_endpoint = self.is_endpoint();
        let absences = std::mem::take(&mut self.absences);
        self.failures = 0;
        self.elsewhere.clear();
        match result {
            ProbeResult::Replica => self.confirmed = Some(Moment::before(now, Duration::ZERO)),
            ProbeResult::Elsewhere(addresses) => self.elsewhere = addresses,
            ProbeResult::Absent => self.absences = absences.saturating_add(1),
            ProbeResult::Unknown(_) => {}
        }
        self.confirmed = self.confirmed.filter(|_| self.absences < ABSENCES);
        self.is_endpoint() != was_endpoint
    }

    /// Returns the wait until the next query, before jitter.
    pub(super) fn wait(&self, interval: Duration) -> Duration {
        if self.is_failing() {
            return backoff(self.failures, RETRY.min(interval), interval);
        }
        if self.is_endpoint() && self.absences > 0 {
            return ABSENT_RETRY.min(interval);
        }
        interval
    }
}

/// Interpretation of one answer for a region's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProbeResult {
    /// All addresses are those of a replica in the region.
    Replica,
    /// These addresses are not.
    Elsewhere(Vec<IpAddr>),
    /// The name does not exist or has no address.
    Absent,
    /// The queries failed.
    Unknown(LookupFailure),
}

/// Interprets `answer`; `is_in_region` is true for addresses that a replica in the region can have.
fn interpret(answer: &Answer, is_in_region: impl Fn(IpAddr) -> bool) -> ProbeResult {
    let families = [&answer.v4, &answer.v6];
    let found = families.into_iter().flatten();
    let addresses: Vec<IpAddr> = found.flat_map(|f| f.addresses.iter().copied()).collect();
    if addresses.is_empty() {
        let failure = families.into_iter().find_map(failure);
        return failure.map_or(ProbeResult::Absent, ProbeResult::Unknown);
    }
    let elsewhere: Vec<IpAddr> = addresses
        .into_iter()
        .filter(|ip| !is_in_region(*ip))
        .collect();
    if elsewhere.is_empty() {
        return ProbeResult::Replica;
    }
    ProbeResult::Elsewhere(elsewhere)
}

/// The failure of a family, unless it answered with addresses or with none.
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
