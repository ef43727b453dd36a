//! One region of one registry.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use ipnet::IpNet;

use super::verdict::{ProbeResult, verdict};
use super::{ABSENCES, Replica};
use crate::azure::TagSnapshot;
use crate::azure::endpoints::{Endpoint, Provenance, in_region};
use crate::config::Cloud;
use crate::name::Name;
use crate::resolver::answer::Answer;
use crate::resolver::cache::address::Moment;
use crate::resolver::cache::schedule::{Ask, backoff};

/// The first wait after a failure; it doubles with each further one, up to the interval.
const RETRY: Duration = Duration::from_secs(60);
/// The wait after an answer that an endpoint's name has no address.
const ABSENT_RETRY: Duration = Duration::from_secs(5 * 60);

/// A region's name, and what answers have said about it.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) endpoint: Endpoint,
    pub(super) region: String,
    pub(super) private_endpoints: Rc<[IpNet]>,
    pub(super) ask: Ask,
    /// Addresses of the last answer that no replica in the region has.
    pub(super) elsewhere: Vec<IpAddr>,
    login_server: Name,
    /// Set while it is an endpoint.
    confirmed: Option<Moment>,
    absences: u32,
    failures: u32,
}

impl Probe {
    /// A name that is due now; `None` where login server and region make none.
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
            ask: Ask::Waiting(now),
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

    /// The replica, where it is known.
    pub(super) fn replica(&self, now: Duration) -> Option<Replica> {
        Some(Replica {
            endpoint: self.endpoint.clone(),
            age: self.confirmed?.age(now),
        })
    }

    /// An answer showed it that long before `now`.
    pub(super) fn restore(&mut self, age: Duration, now: Duration) {
        self.confirmed.get_or_insert(Moment::before(now, age));
    }

    pub(super) fn judge(
        &self,
        answer: &Answer,
        tags: &TagSnapshot,
        judged: &dyn Fn(IpAddr) -> IpAddr,
    ) -> ProbeResult {
        let prefixes = tags.registry_regions.get(&self.region);
        verdict(answer, |address| {
            let address = judged(address);
            let mut private = self.private_endpoints.iter();
            prefixes.is_some_and(|prefixes| prefixes.contains(address))
                || private.any(|net| net.contains(&address))
        })
    }

    /// Says whether it has become an endpoint, or stopped to be one.
    pub(super) fn apply(&mut self, verdict: ProbeResult, now: Duration) -> bool {
        if let ProbeResult::Unknown(_) = verdict {
            self.failures = self.failures.saturating_add(1);
            return false;
        }
        let was_endpoint = self.is_endpoint();
        let absences = std::mem::take(&mut self.absences);
        self.failures = 0;
        self.elsewhere.clear();
        match verdict {
            ProbeResult::Replica => self.confirmed = Some(Moment::before(now, Duration::ZERO)),
            ProbeResult::Elsewhere(addresses) => self.elsewhere = addresses,
            ProbeResult::Absent => self.absences = absences.saturating_add(1),
            ProbeResult::Unknown(_) => {}
        }
        self.confirmed = self.confirmed.filter(|_| self.absences < ABSENCES);
        self.is_endpoint() != was_endpoint
    }

    /// How long to wait until the next question, before jitter.
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
