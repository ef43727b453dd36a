//! When a name is asked.

use std::time::Duration;

use super::{CacheSettings, Family, LOST_AFTER};
pub(super) use crate::random::Jitter;
use crate::random::SPREAD;

/// Whether a name is being asked, and when it is asked next.
#[derive(Debug)]
pub(in crate::resolver) enum Ask {
    /// Due at that time.
    Waiting(Duration),
    /// Asked at that time.
    InFlight(Duration),
}

impl Ask {
    pub(in crate::resolver) fn start(&mut self, now: Duration) {
        *self = Self::InFlight(now);
    }

    pub(in crate::resolver) fn finish(&mut self, due: Duration) {
        *self = Self::Waiting(due);
    }

    /// Takes what one family's answer says of the next time; an answer of the other family may have named an earlier one.
    pub(in crate::resolver) fn settle(&mut self, due: Duration) {
        *self = match *self {
            Self::Waiting(waiting) => Self::Waiting(due.min(waiting)),
            Self::InFlight(_) => Self::Waiting(due),
        };
    }

    /// Makes a name that waits due at that time, if it is not due sooner.
    pub(in crate::resolver) fn requery_by(&mut self, due: Duration) {
        if let Self::Waiting(waiting) = self {
            *waiting = due.min(*waiting);
        }
    }

    /// When the name is asked next, were there room; a lost question makes it due again.
    pub(in crate::resolver) fn next(&self) -> Duration {
        match self {
            Self::Waiting(due) => *due,
            Self::InFlight(since) => *since + LOST_AFTER,
        }
    }

    pub(in crate::resolver) fn is_due(&self, now: Duration) -> bool {
        self.next() <= now
    }

    /// Whether it is being asked, lost or not.
    pub(in crate::resolver) fn is_asking(&self) -> bool {
        matches!(self, Self::InFlight(_))
    }

    pub(in crate::resolver) fn is_in_flight(&self, now: Duration) -> bool {
        self.is_asking() && !self.is_due(now)
    }

    /// When time alone lets the name be asked; a waiting one needs room among those in flight.
    pub(in crate::resolver) fn wake(&self, has_room: bool) -> Option<Duration> {
        match self {
            Self::Waiting(_) if !has_room => None,
            Self::Waiting(_) | Self::InFlight(_) => Some(self.next()),
        }
    }
}

/// Since when the A and the AAAA question of a name wait for their answers. A family that waits is not asked again, and holds up nothing of
/// the other's.
#[derive(Debug, Default)]
pub(in crate::resolver) struct Questions([Option<Duration>; 2]);

impl Questions {
    /// Asks those of both families that are not in flight.
    pub(in crate::resolver) fn start(&mut self, now: Duration) -> Vec<Family> {
        let mut families = Family::BOTH.to_vec();
        families.retain(|family| !self.is_in_flight(*family, now));
        for family in &families {
            self.0[family.index()] = Some(now);
        }
        families
    }

    /// Takes note that the answer of `family` came.
    pub(in crate::resolver) fn finish(&mut self, family: Family) {
        self.0[family.index()] = None;
    }

    /// Whether the answer of `family` is still to come; one that is lost is not.
    pub(in crate::resolver) fn is_in_flight(&self, family: Family, now: Duration) -> bool {
        self.0[family.index()].is_some_and(|since| now < since + LOST_AFTER)
    }
}

/// The wait after a successful answer: its TTL within floor and ceiling, with room for the spread below the ceiling.
pub(in crate::resolver) fn refresh(ttl: Duration, settings: &CacheSettings) -> Duration {
    let longest = settings.ttl_ceiling * SPREAD / (SPREAD + 1);
    ttl.min(longest).max(settings.ttl_floor)
}

/// The wait after that many failures in a row, with room for the spread below the longest.
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
