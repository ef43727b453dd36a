//! One source: its last answer and its health.

use std::time::Duration;

use jiff::Timestamp;

use crate::azure::poll_schedule::PollSchedule;
use crate::azure::resource_manager::FetchError;
use crate::now::Now;

/// A failure of a source: its start, and the last error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) since: Timestamp,
    pub(crate) message: String,
}

/// Health of a source.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceHealth {
    /// Time of the last successful read.
    pub(crate) confirmed: Option<Timestamp>,
    /// The current failure, if any.
    pub(crate) failing: Option<Failure>,
}

impl SourceHealth {
    /// Records a success, or the error of a failure.
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

/// A source that is polled at an interval; `K` identifies it.
#[derive(Debug)]
pub(crate) struct PolledSource<K, T> {
    pub(crate) source: K,
    pub(crate) poll: PollSchedule,
    pub(crate) health: SourceHealth,
    every: Duration,
    last: Option<T>,
}

impl<K: PartialEq, T: PartialEq> PolledSource<K, T> {
    /// Polls `source` at once, and then at the interval `every`.
    pub(crate) fn new(source: K, every: Duration, seed: u64) -> Self {
        Self {
            source,
            poll: PollSchedule::new(every, seed),
            health: SourceHealth::default(),
            every,
            last: None,
        }
    }

    /// Replaces `before`. Returns `before` itself if source and interval are the same and `restart` is false; otherwise keeps its last answer
    /// until the next one.
    pub(crate) fn after(mut self, before: Option<Self>, restart: bool) -> Self {
        let Some(before) = before else { return self };
        let is_same = before.source == self.source;
        if is_same && before.every == self.every && !restart {
            return before;
        }
        self.health.confirmed = before.health.confirmed;
        self.health.failing = before.health.failing.filter(|_| is_same);
        self.last = before.last;
        self
    }

    /// Returns the last answer.
    pub(crate) fn last(&self) -> Option<&T> {
        self.last.as_ref()
    }

    /// Restores the answer of an earlier run, and spreads the polls of hosts that start together.
    pub(crate) fn restore(&mut self, last: T, confirmed: Option<Timestamp>, now: Now) {
        self.last = Some(last);
        self.health.confirmed = confirmed;
        self.poll.spread(now.since_start);
    }

    /// Returns whether a poll is due now; if so, it counts as started.
    pub(crate) fn starts(&mut self, now: Now) -> bool {
        let is_due = self.poll.is_due(now.since_start);
        if is_due {
            self.poll.started(now.since_start);
        }
        is_due
    }

    /// Takes an answer; returns the previous one if they differ. A new answer counts as a success only once it is in force ([`Self::good`]).
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

    /// Records that the last answer is valid.
    pub(crate) fn good(&mut self, now: Now) {
        self.poll.succeeded(now.since_start);
        self.health.set(None, now);
    }

    /// Records a failed poll or an unusable answer.
    pub(crate) fn failed(&mut self, message: String, retry_after: Option<Duration>, now: Now) {
        self.poll.failed(now.since_start, retry_after);
        self.health.set(Some(message), now);
    }

    /// Restores the previous answer, since the last one gives no valid policy.
    pub(crate) fn refuse(&mut self, before: Option<T>, message: String, now: Now) {
        self.last = before;
        self.failed(message, None, now);
    }
}
