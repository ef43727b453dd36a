//! One source: what it last said, and how it stands.

use std::time::Duration;

use jiff::Timestamp;

use crate::azure::poll_schedule::PollSchedule;
use crate::azure::resource_manager::FetchError;
use crate::control::Alarm;

/// The kind of the alarm that a source fails.
pub(in crate::daemon) const SOURCE_FAILING: &str = "source-failing";

/// How a source stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// When it was last read and found good.
    pub(super) confirmed: Option<Timestamp>,
    /// Since when it fails, and why.
    pub(super) failing: Option<Alarm>,
}

impl Standing {
    /// Notes that the source is good, or why not.
    pub(super) fn set(&mut self, error: Option<String>) {
        let Some(message) = error else {
            self.confirmed = Some(Timestamp::now());
            self.failing = None;
            return;
        };
        match &mut self.failing {
            Some(failing) => failing.message = message,
            None => {
                self.failing = Some(Alarm {
                    kind: SOURCE_FAILING.to_owned(),
                    since: Timestamp::now(),
                    message,
                });
            }
        }
    }
}

/// A source that is asked time and again; `K` tells it from another one.
pub(super) struct Polled<K, T> {
    pub(super) source: K,
    pub(super) poll: PollSchedule,
    pub(super) standing: Standing,
    every: Duration,
    last: Option<T>,
}

impl<K: PartialEq, T: PartialEq> Polled<K, T> {
    /// Asks `source` at once and then `every` so often.
    pub(super) fn new(source: K, every: Duration, seed: u64) -> Self {
        Self {
            source,
            poll: PollSchedule::new(every, seed),
            standing: Standing::default(),
            every,
            last: None,
        }
    }

    /// Takes the place of `before`: as it is where it asks the same source as often, and `anew` does not hold. What it last said stays in any
    /// case, until another word takes its place.
    pub(super) fn after(mut self, before: Option<Self>, anew: bool) -> Self {
        let Some(before) = before else { return self };
        let is_same = before.source == self.source;
        if is_same && before.every == self.every && !anew {
            return before;
        }
        self.standing.confirmed = before.standing.confirmed;
        self.standing.failing = before.standing.failing.filter(|_| is_same);
        self.last = before.last;
        self
    }

    /// What it last said.
    pub(super) fn last(&self) -> Option<&T> {
        self.last.as_ref()
    }

    /// Takes what an earlier run knew. Hosts that start together then ask at different times.
    pub(super) fn restore(&mut self, last: T, confirmed: Option<Timestamp>, now: Duration) {
        self.last = Some(last);
        self.standing.confirmed = confirmed;
        self.poll.spread(now);
    }

    /// Whether it is to be asked now; if so, it counts as asked.
    pub(super) fn starts(&mut self, now: Duration) -> bool {
        let is_due = self.poll.is_due(now);
        if is_due {
            self.poll.started(now);
        }
        is_due
    }

    /// Takes an answer; what it said before, where it says something else now. That is good only once it is in force.
    pub(super) fn take(
        &mut self,
        answer: Result<T, FetchError>,
        now: Duration,
    ) -> Option<Option<T>> {
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
    pub(super) fn good(&mut self, now: Duration) {
        self.poll.succeeded(now);
        self.standing.set(None);
    }

    /// Notes that it could not be asked, or said what cannot be used.
    pub(super) fn failed(&mut self, message: String, retry_after: Option<Duration>, now: Duration) {
        self.poll.failed(now, retry_after);
        self.standing.set(Some(message));
    }

    /// Takes back an answer that leads to no policy.
    pub(super) fn refuse(&mut self, before: Option<T>, message: String, now: Duration) {
        self.last = before;
        self.failed(message, None, now);
    }
}
