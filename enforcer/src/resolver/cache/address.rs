//! One address of a name.

use std::borrow::Cow;
use std::time::Duration;

use crate::resolver::moment::Moment;

/// The longest TTL that keeps an omitted address. A resolver can send 68 years.
const TTL_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// An entry of `/etc/hosts` for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostsPin {
    /// The number of the line.
    pub line: u32,
    /// Whether the address is in no service tag.
    pub untagged: bool,
}

/// An address of a name: resolved (from answers to the daemon), snooped (from answers to other processes), from `/etc/hosts`, or several of
/// these. Each source expires separately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressEntry {
    first_seen: Moment,
    last_seen: Moment,
    ttl: Duration,
    untagged: bool,
    /// Since when successful answers to the daemon omit it.
    omitted: Option<Duration>,
    /// Whether an answer to the daemon contained it.
    is_resolved: bool,
    /// When an answer to another process last contained it.
    observed: Option<Duration>,
    /// The line of `/etc/hosts` that gives it.
    pinned: Option<u32>,
}

impl AddressEntry {
    /// Whether no answer to the daemon contained it.
    pub fn is_snooped(&self) -> bool {
        !self.is_resolved
    }

    /// Whether the last successful answer to the daemon or `/etc/hosts` gives it.
    pub fn is_current(&self) -> bool {
        self.pinned.is_some() || (self.is_resolved && self.omitted.is_none())
    }

    /// The line of `/etc/hosts` that gives it.
    pub fn pinned(&self) -> Option<u32> {
        self.pinned
    }

    /// Time since the address was first seen in an answer.
    pub fn first_seen_age(&self, now: Duration) -> Duration {
        self.first_seen.age(now)
    }

    /// Time since the address was last seen in an answer: to the daemon, if any contained it.
    pub fn last_seen_age(&self, now: Duration) -> Duration {
        self.last_seen.age(now)
    }

    /// The TTL of the last answer to the daemon that contained it, at most a day.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Whether it is in no service tag.
    pub fn is_untagged(&self) -> bool {
        self.untagged
    }

    /// Time for which successful answers have omitted it; `None` while it is in the last one.
    pub fn omitted_age(&self, now: Duration) -> Option<Duration> {
        let since = if self.is_resolved {
            self.omitted
        } else {
            self.observed
        };
        let since = since.filter(|_| self.pinned.is_none());
        since.map(|since| now.saturating_sub(since))
    }

    pub(super) fn new(now: Duration) -> Self {
        Self::seen_before(now, Duration::ZERO, Duration::ZERO, false)
    }

    /// An address of an answer to the daemon, first and last seen that long before `now`.
    pub(super) fn seen_before(
        now: Duration,
        first_age: Duration,
        last_age: Duration,
        untagged: bool,
    ) -> Self {
        Self {
            first_seen: Moment::before(now, first_age.max(last_age)),
            last_seen: Moment::before(now, last_age),
            ttl: Duration::ZERO,
            untagged,
            omitted: None,
            is_resolved: true,
            observed: None,
            pinned: None,
        }
    }

    /// An address that only an answer to another process contains.
    pub(super) fn observed(now: Duration, untagged: bool) -> Self {
        Self {
            is_resolved: false,
            observed: Some(now),
            ..Self::seen_before(now, Duration::ZERO, Duration::ZERO, untagged)
        }
    }

    /// An address that no answer contains yet.
    pub(super) fn found(now: Duration) -> Self {
        Self {
            is_resolved: false,
            ..Self::seen_before(now, Duration::ZERO, Duration::ZERO, false)
        }
    }

    /// Records that `/etc/hosts` gives it.
    pub(super) fn pin(&mut self, pin: HostsPin) {
        self.pinned = Some(pin.line);
        self.untagged = pin.untagged;
    }

    /// Records that `/etc/hosts` no longer gives it. It lingers, as programs may have read it just before.
    pub(super) fn unpin(&mut self, now: Duration) {
        if self.pinned.take().is_some() {
            self.observed = Some(now);
        }
    }

    /// Forgets that answers to the daemon contained it, and returns whether `/etc/hosts` still gives it.
    pub(super) fn forget_resolved(&mut self) -> bool {
        self.is_resolved = false;
        self.omitted = None;
        self.pinned.is_some()
    }

    /// Records an answer to the daemon that contains it.
    pub(super) fn see(&mut self, ttl: Duration, untagged: bool, now: Duration) {
        self.last_seen = Moment::before(now, Duration::ZERO);
        self.ttl = ttl.min(TTL_KEPT);
        self.untagged = untagged;
        self.omitted = None;
        self.is_resolved = true;
    }

    /// Records an answer to another process that contains it. The state from answers to the daemon does not change.
    pub(super) fn observe(&mut self, untagged: bool, now: Duration) {
        self.observed = Some(now);
        self.untagged = untagged;
        if !self.is_resolved {
            self.last_seen = Moment::before(now, Duration::ZERO);
        }
    }

    /// Forgets that answers to other processes contained it, and returns whether another source still gives it.
    pub(super) fn forget_observed(&mut self) -> bool {
        self.observed = None;
        self.is_resolved || self.pinned.is_some()
    }

    /// Sets whether it is untagged. Always returns `true`, as the address stays.
    pub(super) fn mark(&mut self, untagged: bool) -> bool {
        self.untagged = untagged;
        true
    }

    /// Records a successful answer to the daemon without this address.
    pub(super) fn omit(&mut self, now: Duration) {
        self.omitted.get_or_insert(now);
    }

    /// Since when successful answers to the daemon omit it.
    pub(super) fn omitted(&self) -> Option<Duration> {
        self.omitted.filter(|_| self.is_resolved)
    }

    /// Excludes `outage` from the time for which it has been omitted.
    pub(super) fn pause(&mut self, outage: Duration) {
        self.omitted = self.omitted.map(|since| since + outage);
    }

    /// Returns when it expires, as time since the start; `None` while the last successful answer or `/etc/hosts` gives it. While its family
    /// `fails`, addresses of answers to the daemon are kept. Only their TTL counts: answers to other processes may be forged.
    pub(super) fn end(&self, linger: Duration, fails: bool) -> Option<Duration> {
        if self.pinned.is_some() {
            return None;
        }
        let observed = self.observed.map(|at| at + linger);
        if !self.is_resolved {
            return observed;
        }
        let resolved = self.omitted.filter(|_| !fails)? + linger;
        Some(
            resolved
                .max(self.last_seen.plus(self.ttl))
                .max(observed.unwrap_or_default()),
        )
    }
}

/// Why the answer check refused an address, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: Cow<'static, str>,
    /// When an answer last contained the address, as time since the start.
    pub last_seen: Duration,
}
