//! One source: what it last said, and how it stands.

use std::time::Duration;

use jiff::Timestamp;

use crate::azure::poll_schedule::PollSchedule;
use crate::azure::resource_manager::FetchError;
use crate::now::Now;

/// Since when a source fails, and why it failed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) since: Timestamp,
    pub(crate) message: String,
}

/// Whether a source can be used.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceHealth {
    /// When it was last read and found good.
    pub(crate) confirmed: Option<Timestamp>,
    /// Since when it fails, and why.
    pub(crate) failing: Option<Failure>,
}

impl SourceHealth {
    /// Notes that the source is good, or why not.
    pub(crate) fn set(&mut self, error: Option<String>, now: Now) {
        let Some(message) = error else {
            self.confirmed = Some(now.wall);
            self.failing = None;
            return;
        };
        match &mut self.failing {
            Some(failing) => failing.message = message,
            None => {
                self.failing = Some(Failure {
                    since: now.wall,
                    message,
                });
            }
        }
    }
}

/// A source that is fetched at an interval; `K` identifies it.
#[derive(Debug)]
pub(crate) struct PolledSource<K, T> {
    pub(crate) source: K,
    pub(crate) poll: PollSchedule,
    pub(crate) health: SourceHealth,
    every: Duration,
    last: Option<T>,
}

impl<K: PartialEq, T: PartialEq> PolledSource<K, T> {
    /// Asks `source` at once and then `every` so often.
    pub(crate) fn new(source: K, every: Duration, seed: u64) -> Self {
        Self {
            source,
            poll: PollSchedule::new(every, seed),
            health: SourceHealth::default(),
            every,
            last: None,
        }
    }

    /// Takes the place of `before`: as it is where it asks the same source as often, and `anew` does not hold. What it last said stays in any
    /// case, until another word takes its place.
    pub(crate) fn after(mut self, before: Option<Self>, anew: bool) -> Self {
        let Some(before) = before else { return self };
        let is_same = before.source == self.source;
        if is_same && before.every == self.every && !anew {
            return before;
        }
        self.health.confirmed = before.health.confirmed;
        self.health.failing = before.health.failing.filter(|_| is_same);
        self.last = before.last;
        self
    }

    /// What it last said.
    pub(crate) fn last(&self) -> Option<&T> {
        self.last.as_ref()
    }

    /// Takes what an earlier run knew. Hosts that start together then ask at different times.
    pub(crate) fn restore(&mut self, last: T, confirmed: Option<Timestamp>, now: Now) {
        self.last = Some(last);
        self.health.confirmed = confirmed;
        self.poll.spread(now.since_start);
    }

    /// Whether it is to be asked now; if so, it counts as asked.
    pub(crate) fn starts(&mut self, now: Now) -> bool {
        let is_due = self.poll.is_due(now.since_start);
        if is_due {
            self.poll.started(now.since_start);
        }
        is_due
    }

    /// Takes an answer; what it said before, where it says something else now. That is good only once it is in force.
    pub(crate) fn take(&mut self, answer: Result<T, FetchError>, now: Now) -> Option<Option<T>> {
        match answer {
            Ok(answer) if self.last.as_ref() == Some(&answer) => {
                self.good(now);
                None
            }
            Ok(answer) => Some(self.last.replace(answer)),
            Err(error) => {
                self.failed(error.to_string(), error.retry_after(), now);
                None
            }
        }
    }

    /// Notes that what it last said holds.
    pub(crate) fn good(&mut self, now: Now) {
        self.poll.succeeded(now.since_start);
        self.health.set(None, now);
    }

    /// Notes that it could not be asked, or said what cannot be used.
    pub(crate) fn failed(&mut self, message: String, retry_after: Option<Duration>, now: Now) {
        self.poll.failed(now.since_start, retry_after);
        self.health.set(Some(message), now);
    }

    /// Takes back an answer that leads to no policy.
    pub(crate) fn refuse(&mut self, before: Option<T>, message: String, now: Now) {
        self.last = before;
        self.failed(message, None, now);
    }
}
