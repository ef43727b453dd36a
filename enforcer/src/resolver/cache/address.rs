//! One address of a name.

use std::borrow::Cow;
use std::time::Duration;

/// The longest time that a TTL alone keeps a left-out address. A resolver can send 68 years.
const TTL_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// What the host's own table of names says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostsPin {
    /// The number of the line.
    pub line: u32,
    /// Whether the address lies in no service tag.
    pub untagged: bool,
}

/// An address that a name leads to, by answers to the daemon, by answers to others, by the host's own table, or by several of them. Each
/// has an end of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressEntry {
    first_seen: Moment,
    last_seen: Moment,
    ttl: Duration,
    untagged: bool,
    left_out: Option<Duration>,
    /// Whether an answer to the daemon held it.
    is_own: bool,
    /// When an answer to somebody else last held it.
    observed: Option<Duration>,
    /// The line of the host's own table that gives it.
    pinned: Option<u32>,
}

impl AddressEntry {
    /// Whether no answer to the daemon held it.
    pub fn is_snooped(&self) -> bool {
        !self.is_own
    }

    /// Whether the last successful answer to the daemon or the host's own table gives it.
    pub fn is_given(&self) -> bool {
        self.pinned.is_some() || (self.is_own && self.left_out.is_none())
    }

    /// The line of the host's own table that gives it.
    pub fn pinned(&self) -> Option<u32> {
        self.pinned
    }

    /// How long ago the address was first seen in an answer.
    pub fn first_seen_age(&self, now: Duration) -> Duration {
        self.first_seen.age(now)
    }

    /// How long ago the address was last seen in an answer; to the daemon, where one held it.
    pub fn last_seen_age(&self, now: Duration) -> Duration {
        self.last_seen.age(now)
    }

    /// The TTL of the last answer to the daemon that held it, at most a day.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Whether it lies in no service tag.
    pub fn is_untagged(&self) -> bool {
        self.untagged
    }

    /// How long successful answers have left it out; `None` while it is in the last one.
    pub fn left_out_age(&self, now: Duration) -> Option<Duration> {
        let since = if self.is_own {
            self.left_out
        } else {
            self.observed
        };
        let since = since.filter(|_| self.pinned.is_none());
        since.map(|since| now.saturating_sub(since))
    }

    pub(super) fn new(now: Duration) -> Self {
        Self::seen_before(now, Duration::ZERO, Duration::ZERO, false)
    }

    /// An address of an answer to the daemon whose sightings lie that long before `now`.
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
            left_out: None,
            is_own: true,
            observed: None,
            pinned: None,
        }
    }

    /// An address that only an answer to somebody else holds.
    pub(super) fn observed(now: Duration, untagged: bool) -> Self {
        Self {
            is_own: false,
            observed: Some(now),
            ..Self::seen_before(now, Duration::ZERO, Duration::ZERO, untagged)
        }
    }

    /// An address that no answer holds yet.
    pub(super) fn found(now: Duration) -> Self {
        Self {
            is_own: false,
            ..Self::seen_before(now, Duration::ZERO, Duration::ZERO, false)
        }
    }

    /// The host's own table gives it.
    pub(super) fn pin(&mut self, pin: HostsPin) {
        self.pinned = Some(pin.line);
        self.untagged = pin.untagged;
    }

    /// The host's own table gives it no longer: programs may have read it just before.
    pub(super) fn unpin(&mut self, now: Duration) {
        if self.pinned.take().is_some() {
            self.observed = Some(now);
        }
    }

    /// Drops what answers to the daemon said, and returns whether the host's own table still gives it.
    pub(super) fn disown(&mut self) -> bool {
        self.is_own = false;
        self.left_out = None;
        self.pinned.is_some()
    }

    /// It is in an answer to the daemon.
    pub(super) fn see(&mut self, ttl: Duration, untagged: bool, now: Duration) {
        self.last_seen = Moment::before(now, Duration::ZERO);
        self.ttl = ttl.min(TTL_KEPT);
        self.untagged = untagged;
        self.left_out = None;
        self.is_own = true;
    }

    /// It was in an answer to somebody else. What the daemon's own answers said of it stays as it is.
    pub(super) fn observe(&mut self, untagged: bool, now: Duration) {
        self.observed = Some(now);
        self.untagged = untagged;
        if !self.is_own {
            self.last_seen = Moment::before(now, Duration::ZERO);
        }
    }

    /// Drops what answers to others said, and returns whether something else still holds it.
    pub(super) fn forget_observed(&mut self) -> bool {
        self.observed = None;
        self.is_own || self.pinned.is_some()
    }

    /// Sets whether it is untagged; always `true`, for it stays.
    pub(super) fn mark(&mut self, untagged: bool) -> bool {
        self.untagged = untagged;
        true
    }

    /// A successful answer came without this address.
    pub(super) fn leave_out(&mut self, now: Duration) {
        self.left_out.get_or_insert(now);
    }

    /// Since when successful answers to the daemon leave it out.
    pub(super) fn left_out(&self) -> Option<Duration> {
        self.left_out.filter(|_| self.is_own)
    }

    /// Takes `outage` out of the time that it has been left out.
    pub(super) fn pause(&mut self, outage: Duration) {
        self.left_out = self.left_out.map(|since| since + outage);
    }

    /// When it goes, as time since the start; `None` while it is in the last successful answer or the host's own table. `fails` says whether its family fails
    /// now, which keeps what answers to the daemon held. A TTL counts only in those: anybody may have forged the others.
    pub(super) fn end(&self, linger: Duration, fails: bool) -> Option<Duration> {
        if self.pinned.is_some() {
            return None;
        }
        let observed = self.observed.map(|at| at + linger);
        if !self.is_own {
            return observed;
        }
        let own = self.left_out.filter(|_| !fails)? + linger;
        Some(
            own.max(self.last_seen.plus(self.ttl))
                .max(observed.unwrap_or_default()),
        )
    }
}

/// An address that an answer held and that stays out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Cow<'static, str>,
    /// When an answer last held it, as time since the start.
    pub last_seen: Duration,
}

/// A point in time that can lie before the daemon's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resolver) struct Moment {
    at: Duration,
    earlier: Duration,
}

impl Moment {
    pub(in crate::resolver) fn before(now: Duration, age: Duration) -> Self {
        Self {
            at: now,
            earlier: age,
        }
    }

    pub(in crate::resolver) fn age(self, now: Duration) -> Duration {
        now.saturating_sub(self.at).saturating_add(self.earlier)
    }

    fn plus(self, time: Duration) -> Duration {
        self.at + time.saturating_sub(self.earlier)
    }
}
