//! Times of observations: they may precede the start of the daemon, and the state file keeps them as wall-clock times.

use std::time::Duration;

use jiff::Timestamp;

/// A point in time, possibly before the start of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resolver) struct Moment {
    /// Time since the start at which `age` was measured.
    at: Duration,
    /// Age at that time.
    age: Duration,
}

impl Moment {
    /// The time `age` before `now`.
    pub(in crate::resolver) const fn before(now: Duration, age: Duration) -> Self {
        Self { at: now, age }
    }

    /// How long before `now` it was.
    pub(in crate::resolver) fn age(self, now: Duration) -> Duration {
        now.saturating_sub(self.at).saturating_add(self.age)
    }

    /// The time `wait` later, as time since the start; at the earliest the time at which the age was measured.
    pub(in crate::resolver) fn plus(self, wait: Duration) -> Duration {
        self.at + wait.saturating_sub(self.age)
    }
}

/// The age of a wall-clock time; zero for one in the future.
pub(in crate::resolver) fn wall_clock_age(now: Timestamp, seen: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(seen)).unwrap_or(Duration::ZERO)
}

/// The wall-clock time `age` before `now`.
pub(in crate::resolver) fn wall_clock_before(now: Timestamp, age: Duration) -> Timestamp {
    now.checked_sub(age).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_moment_may_precede_the_start_of_the_daemon() {
        let moment = Moment::before(seconds(10), seconds(3600));
        assert_eq!(moment.age(seconds(15)), seconds(3605));
        assert_eq!(moment.plus(seconds(3660)), seconds(70));
        assert_eq!(moment.plus(seconds(1)), seconds(10));
    }

    #[test]
    fn a_wall_clock_time_in_the_future_has_no_age() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let seen = wall_clock_before(now, seconds(60));
        assert_eq!(wall_clock_age(now, seen), seconds(60));
        assert_eq!(wall_clock_age(seen, now), Duration::ZERO);
    }
}
