//! The time of an event, read once from each clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Times at which an event is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since the daemon started, on a clock that never jumps; it may stop during suspend.
    pub since_start: Duration,
    /// Nanoseconds since boot including suspend (`CLOCK_BOOTTIME`): the clock of the kernel programs' deadlines.
    pub boot: u64,
    /// Wall time, which may jump.
    pub wall: Timestamp,
}

impl Now {
    /// Returns the wall time at `moment` after the start, in the past or future.
    pub fn wall_at(self, moment: Duration) -> Timestamp {
        let ahead = SignedDuration::try_from(moment.saturating_sub(self.since_start));
        let past = self.wall_before(self.since_start.saturating_sub(moment));
        past.checked_add(ahead.unwrap_or(SignedDuration::MAX))
            .unwrap_or(Timestamp::MAX)
    }

    /// Returns the wall time `age` ago.
    pub fn wall_before(self, age: Duration) -> Timestamp {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        self.wall.checked_sub(age).unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
impl Now {
    /// Returns the time `since_start` after a fixed start, on all clocks.
    pub(crate) fn after(since_start: Duration) -> Self {
        let start = "2026-10-01T08:00:00Z".parse::<Timestamp>().unwrap();
        let passed = SignedDuration::try_from(since_start).unwrap();
        let boot = u64::try_from(since_start.as_nanos()).unwrap() + 3_600_000_000_000;
        Self {
            since_start,
            boot,
            wall: start + passed,
        }
    }
}
