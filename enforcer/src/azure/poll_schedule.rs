//! When a source is polled: at an interval with jitter, and after failures with exponential backoff.

use std::time::Duration;

use crate::random::{Jitter, SPREAD};

/// The wait after the first failure; each further one doubles it, up to the interval.
pub const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest `Retry-After` of a server that is obeyed.
pub const MOST_RETRY_AFTER: Duration = Duration::from_hours(1);
/// Time after which a poll without a result counts as lost.
pub(in crate::azure) const LOST_AFTER: Duration = Duration::from_mins(10);

/// The schedule of one source. Times are monotonic, since the start of the daemon.
#[derive(Debug)]
pub struct PollSchedule {
    interval: Duration,
    jitter: Jitter,
    next: Next,
    failures: u32,
}

#[derive(Debug)]
enum Next {
    At(Duration),
    Running(Duration),
}

impl PollSchedule {
    /// Creates a schedule that is due at once, then every `interval` or up to a tenth earlier. Hosts with different seeds drift apart.
    pub fn new(interval: Duration, seed: u64) -> Self {
        Self {
            interval,
            jitter: Jitter::new(seed),
            next: Next::At(Duration::ZERO),
            failures: 0,
        }
    }

    /// Makes the poll due within a tenth of the interval after `now`, so that hosts or sources that start together do not poll together.
    pub fn spread(&mut self, now: Duration) {
        let wait = self.jitter.spread(self.interval) - self.interval;
        self.next = Next::At(now + wait);
    }

    /// Whether a poll is due and none is running.
    pub fn is_due(&self, now: Duration) -> bool {
        self.next_wake() <= now
    }

    /// Returns when [`PollSchedule::is_due`] becomes true.
    pub fn next_wake(&self) -> Duration {
        match self.next {
            Next::At(time) => time,
            Next::Running(since) => since + LOST_AFTER,
        }
    }

    /// Records the start of a poll.
    pub fn started(&mut self, now: Duration) {
        self.next = Next::Running(now);
    }

    /// Records a success.
    pub fn succeeded(&mut self, now: Duration) {
        self.failures = 0;
        self.wait(now, self.interval * SPREAD / (SPREAD + 1));
    }

    /// Records a failure. `retry_after` is the wait that the server requested: it counts up to [`MOST_RETRY_AFTER`] and never shortens the
    /// wait.
    pub fn failed(&mut self, now: Duration, retry_after: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        let doubled = 2_u32.saturating_pow(self.failures - 1);
        let longest = self.interval.max(FIRST_RETRY);
        let backoff = FIRST_RETRY.saturating_mul(doubled).min(longest);
        let asked_for = retry_after.unwrap_or_default().min(MOST_RETRY_AFTER);
        let backoff = backoff / 2 + self.jitter.up_to(backoff / 2);
        self.wait(now, backoff.max(asked_for));
    }

    fn wait(&mut self, now: Duration, wait: Duration) {
        self.next = Next::At(now + self.jitter.spread(wait));
    }
}

/// Returns the upper bound of `wait` with jitter.
pub fn longest(wait: Duration) -> Duration {
    wait + wait / SPREAD
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_mins(5);
    const HOUR: Duration = Duration::from_hours(1);

    /// Runs the clock from `from` to `until`, each poll with the result that `good` returns, and returns the times of all polls.
    fn run(
        schedule: &mut PollSchedule,
        from: Duration,
        until: Duration,
        good: impl Fn(Duration) -> bool,
    ) -> Vec<Duration> {
        let mut asked = Vec::new();
        let mut now = from;
        loop {
            now = schedule.next_wake().max(now);
            if now >= until {
                return asked;
            }
            assert!(schedule.is_due(now));
            schedule.started(now);
            assert!(!schedule.is_due(now));
            asked.push(now);
            if good(now) {
                schedule.succeeded(now);
            } else {
                schedule.failed(now, None);
            }
        }
    }

    fn gaps(times: &[Duration]) -> Vec<Duration> {
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    #[test]
    fn polls_at_once_and_then_at_the_interval_with_jitter() {
        let mut schedule = PollSchedule::new(INTERVAL, 7);
        let asked = run(&mut schedule, Duration::ZERO, 10 * HOUR, |_| true);
        assert_eq!(asked[0], Duration::ZERO);
        let gaps = gaps(&asked);
        let shortest = INTERVAL * SPREAD / (SPREAD + 1);
        assert!(gaps.iter().all(|gap| (shortest..=INTERVAL).contains(gap)));
        assert!(gaps.iter().any(|gap| *gap != gaps[0]));
    }

    #[test]
    fn an_outage_of_an_hour_causes_few_polls_and_ends_by_itself() {
        let mut schedule = PollSchedule::new(INTERVAL, 7);
        run(&mut schedule, Duration::ZERO, HOUR, |_| true);
        let asked = run(&mut schedule, HOUR, 2 * HOUR, |_| false);
        // 5 s doubling up to the interval, then the interval: no storm.
        assert!((14..=30).contains(&asked.len()), "{}", asked.len());
        for (count, gap) in (0..).zip(gaps(&asked)) {
            let backoff = (FIRST_RETRY * 2_u32.saturating_pow(count)).min(INTERVAL);
            assert!((backoff / 2..=longest(backoff)).contains(&gap), "{gap:?}");
        }
        let asked = run(&mut schedule, 2 * HOUR, 3 * HOUR, |_| true);
        assert!(asked[0] - 2 * HOUR <= longest(INTERVAL));
    }

    #[test]
    fn retry_after_lengthens_the_wait_up_to_an_hour_and_never_shortens_it() {
        for (asked_for, least) in [
            (Duration::ZERO, FIRST_RETRY / 2),
            (Duration::from_secs(2), FIRST_RETRY / 2),
            (Duration::from_mins(20), Duration::from_mins(20)),
            (Duration::from_hours(100), MOST_RETRY_AFTER),
            (Duration::MAX, MOST_RETRY_AFTER),
        ] {
            let mut schedule = PollSchedule::new(INTERVAL, 7);
            schedule.failed(HOUR, Some(asked_for));
            let wait = schedule.next_wake() - HOUR;
            assert!(
                (least..=longest(least.max(FIRST_RETRY))).contains(&wait),
                "{asked_for:?}: {wait:?}"
            );
        }
    }

    #[test]
    fn an_interval_shorter_than_the_first_retry_stays_above_it_after_failures() {
        let mut schedule = PollSchedule::new(Duration::from_secs(1), 7);
        for _ in 0..100 {
            let now = schedule.next_wake();
            schedule.failed(now, None);
            assert!(schedule.next_wake() - now >= FIRST_RETRY / 2);
        }
    }

    #[test]
    fn hosts_with_different_seeds_do_not_stay_aligned() {
        let asked = |seed| {
            let mut schedule = PollSchedule::new(INTERVAL, seed);
            schedule.spread(Duration::ZERO);
            run(&mut schedule, Duration::ZERO, 12 * HOUR, |_| true)
        };
        let (one, other) = (asked(1), asked(2));
        let together = one.iter().filter(|time| other.contains(time)).count();
        assert!(together <= one.len() / 10, "{together} of {}", one.len());
        assert!(one[0] <= INTERVAL / SPREAD && other[0] <= INTERVAL / SPREAD);
    }

    #[test]
    fn a_lost_poll_is_repeated() {
        let mut schedule = PollSchedule::new(INTERVAL, 7);
        schedule.started(HOUR);
        assert!(!schedule.is_due(HOUR + LOST_AFTER / 2));
        assert!(schedule.is_due(HOUR + LOST_AFTER));
    }
}
