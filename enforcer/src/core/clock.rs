//! The wall clock, which anyone who may set it can move, compared with the boot clock, which nobody can.

use jiff::{SignedDuration, Timestamp};

use crate::now::Now;

/// A wall clock that moves by more than this against the boot clock was set, not slewed.
const STEP: SignedDuration = SignedDuration::from_secs(60);

/// Wall time as it was when the configuration was read, and the boot clock of that moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Timestamp,
    boot: u64,
}

impl Clock {
    /// Trusts the wall clock as it is now.
    pub(crate) fn trust(now: Now) -> Self {
        Self {
            wall: now.wall,
            boot: now.boot,
        }
    }

    /// Takes `seen` for the least that the time can be: a clock that starts behind it, on a machine without a battery say, revives nothing
    /// that has ended.
    pub(crate) fn not_before(&mut self, seen: Timestamp, now: Now) {
        if self.now(now) < seen {
            *self = Self {
                wall: seen,
                boot: now.boot,
            };
        }
    }

    /// The time that ends exceptions: a clock that is set back ends none of them later.
    pub(crate) fn now(&self, now: Now) -> Timestamp {
        self.expected(now.boot).max(now.wall)
    }

    /// Since when it is trusted, what the clock should show and what it shows, where it was set.
    pub(crate) fn complaint(&self, now: Now) -> Option<String> {
        let shown = now.wall;
        let expected = self.expected(now.boot);
        (shown.duration_since(expected).abs() > STEP).then(|| {
            format!(
                "the clock was set: it shows {shown:.0} and should show {expected:.0} by the time since {:.0}; enforcement and lingering \
                 do not depend on it, and exceptions end by the later of the two: correct the clock, or make the daemon accept the time \
                 that it shows (systemctl reload egress-enforcer)",
                self.wall
            )
        })
    }

    fn expected(&self, boot: u64) -> Timestamp {
        let passed = i64::try_from(boot.saturating_sub(self.boot)).unwrap_or(i64::MAX);
        let passed = SignedDuration::from_nanos(passed);
        self.wall.checked_add(passed).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_starts_behind_what_was_seen_goes_on_from_there() {
        let now = Now::after(std::time::Duration::ZERO);
        let mut clock = Clock::trust(now);
        let ahead = now.wall + SignedDuration::from_hours(24);
        clock.not_before(ahead, now);
        assert!(clock.now(now) >= ahead);
        assert!(
            clock.complaint(now).is_some(),
            "it is reported that the clock is behind"
        );
        clock.not_before(Timestamp::UNIX_EPOCH, now);
        assert!(clock.now(now) >= ahead);
    }

    #[test]
    fn a_clock_that_was_set_is_told_and_slewing_is_not() {
        let wall = Timestamp::from_second(1_000_000).unwrap();
        let clock = Clock { wall, boot: 5 };
        let later = 5 + 3_600_000_000_000;
        let shown = |seconds| {
            clock.complaint(Now {
                since_start: std::time::Duration::ZERO,
                boot: later,
                wall: Timestamp::from_second(seconds).unwrap(),
            })
        };
        assert_eq!(shown(1_003_600), None);
        assert_eq!(shown(1_003_600 + 59), None);
        assert_eq!(shown(1_003_600 - 59), None);
        let told = shown(1_003_600 - 61).unwrap();
        assert!(
            told.contains("1970-01-12T14:46:40Z") && told.contains("1970-01-12T14:45:39Z"),
            "{told}"
        );
        assert!(shown(2_000_000_000).is_some());
        assert!(shown(0).is_some());
    }
}
