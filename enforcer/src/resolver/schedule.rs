//! When a name is queried.

use std::time::Duration;

use super::answer::Family;
use super::settings::CacheSettings;
use crate::random::SPREAD;

/// Time after which a query without an answer counts as lost and its name is due again. Longer than any
/// [`Lookup`](super::lookup::Lookup) takes.
pub(in crate::resolver) const LOST_AFTER: Duration = Duration::from_secs(30);

/// Whether queries for a name are in flight, and when the next are due.
#[derive(Debug)]
pub(in crate::resolver) enum QueryState {
    /// Due at that time.
    Waiting(Duration),
    /// Sent at that time.
    InFlight(Duration),
}

impl QueryState {
    pub(in crate::resolver) fn start(&mut self, now: Duration) {
        *self = Self::InFlight(now);
    }

    pub(in crate::resolver) fn schedule(&mut self, due: Duration) {
        *self = Self::Waiting(due);
    }

    /// Schedules the next query after the answer of one family, unless the answer of the other family scheduled an earlier one.
    pub(in crate::resolver) fn schedule_earliest(&mut self, due: Duration) {
        *self = match *self {
            Self::Waiting(waiting) => Self::Waiting(due.min(waiting)),
            Self::InFlight(_) => Self::Waiting(due),
        };
    }

    /// Brings the next query forward to `due`, unless queries are in flight.
    pub(in crate::resolver) fn requery_by(&mut self, due: Duration) {
        if let Self::Waiting(waiting) = self {
            *waiting = due.min(*waiting);
        }
    }

    /// When the next query is due, were there room; a lost one makes the name due again.
    pub(in crate::resolver) fn next(&self) -> Duration {
        match self {
            Self::Waiting(due) => *due,
            Self::InFlight(since) => *since + LOST_AFTER,
        }
    }

    pub(in crate::resolver) fn is_due(&self, now: Duration) -> bool {
        self.next() <= now
    }

    /// Whether a query was sent and not answered, lost ones included.
    pub(in crate::resolver) fn is_outstanding(&self) -> bool {
        matches!(self, Self::InFlight(_))
    }

    /// Whether a query was sent and may still be answered.
    pub(in crate::resolver) fn is_in_flight(&self, now: Duration) -> bool {
        self.is_outstanding() && !self.is_due(now)
    }

    /// When time alone makes the name due; one that waits also needs room among those in flight.
    pub(in crate::resolver) fn wake(&self, has_room: bool) -> Option<Duration> {
        match self {
            Self::Waiting(_) if !has_room => None,
            Self::Waiting(_) | Self::InFlight(_) => Some(self.next()),
        }
    }
}

/// When the A and the AAAA query in flight were sent. A family in flight is not queried again and does not delay the other.
#[derive(Debug, Default)]
pub(in crate::resolver) struct InFlightFamilies([Option<Duration>; 2]);

impl InFlightFamilies {
    /// Marks the families that are not in flight as sent, and returns them.
    pub(in crate::resolver) fn start(&mut self, now: Duration) -> Vec<Family> {
        let mut families = Family::BOTH.to_vec();
        families.retain(|family| !self.is_in_flight(*family, now));
        for family in &families {
            self.0[family.index()] = Some(now);
        }
        families
    }

    /// Marks `family` as answered.
    pub(in crate::resolver) fn finish(&mut self, family: Family) {
        self.0[family.index()] = None;
    }

    /// Whether the answer of `family` is pending and not lost.
    pub(in crate::resolver) fn is_in_flight(&self, family: Family, now: Duration) -> bool {
        self.0[family.index()].is_some_and(|since| now < since + LOST_AFTER)
    }
}

/// The wait after a successful answer, before jitter: its TTL between floor and ceiling, with room for the jitter below the ceiling.
pub(in crate::resolver) fn refresh(ttl: Duration, settings: &CacheSettings) -> Duration {
    let longest = settings.ttl_ceiling * SPREAD / (SPREAD + 1);
    ttl.min(longest).max(settings.ttl_floor)
}

/// The wait after `failures` failures in a row, before jitter, with room for the jitter below `longest`.
pub(in crate::resolver) fn backoff(
    failures: u32,
    shortest: Duration,
    longest: Duration,
) -> Duration {
    let longest = longest * SPREAD / (SPREAD + 1);
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    shortest.saturating_mul(doubled).min(longest).max(shortest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Jitter;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn refresh_follows_the_ttl_between_floor_and_ceiling() {
        let settings = CacheSettings::default();
        assert_eq!(refresh(seconds(0), &settings), settings.ttl_floor);
        assert_eq!(refresh(seconds(10), &settings), seconds(10));
        let mut jitter = Jitter::new(7);
        for _ in 0..1000 {
            let wait = jitter.spread(refresh(seconds(86_400), &settings));
            assert!(wait <= seconds(300) && wait >= seconds(270), "{wait:?}");
        }
    }

    #[test]
    fn backoff_doubles_from_the_shortest_to_the_longest_wait() {
        let settings = CacheSettings::default();
        let waits: Vec<_> = (1..=6)
            .map(|n| backoff(n, settings.retry_min, settings.retry_max).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32]);
        let mut jitter = Jitter::new(7);
        for failures in [7, 8, 40, u32::MAX] {
            let wait = jitter.spread(backoff(failures, settings.retry_min, settings.retry_max));
            assert!(wait <= seconds(60) && wait >= seconds(54), "{wait:?}");
        }
    }
}
