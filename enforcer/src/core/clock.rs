//! Compares the wall clock, which can be set, with the boot clock, which cannot.

use jiff::{SignedDuration, Timestamp};

use crate::now::Now;

/// Difference from the boot clock above which the wall clock counts as set rather than slewed.
const STEP: SignedDuration = SignedDuration::from_secs(60);

/// The wall time when the configuration was read, and the boot clock at that moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Timestamp,
    boot: u64,
}

impl Clock {
    /// Trusts the current wall clock.
    pub(crate) fn trust(now: Now) -> Self {
        Self {
            wall: now.wall,
            boot: now.boot,
        }
    }

    /// Takes `seen` as the earliest possible time: a clock that starts behind it, for example on a machine without a battery, does not
    /// revive expired exceptions.
    pub(crate) fn not_before(&mut self, seen: Timestamp, now: Now) {
        if self.now(now) < seen {
            *self = Self {
                wall: seen,
                boot: now.boot,
            };
        }
    }

    /// Returns the time by which exceptions end; setting the clock back does not extend them.
    pub(crate) fn now(&self, now: Now) -> Timestamp {
        self.expected(now.boot).max(now.wall)
    }

    /// Describes a step of the wall clock: the time shown, the time expected and the time of the last trust.
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
    fn a_clock_behind_the_latest_seen_time_continues_from_that_time() {
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
    fn a_clock_step_is_reported_and_slewing_is_not() {
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
        let complaint = shown(1_003_600 - 61).unwrap();
        assert!(
            complaint.contains("1970-01-12T14:46:40Z")
                && complaint.contains("1970-01-12T14:45:39Z"),
            "{complaint}"
        );
        assert!(shown(2_000_000_000).is_some());
        assert!(shown(0).is_some());
    }
}
