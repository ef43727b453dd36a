//! One source: what it last said, and how it stands.

use std::time::Duration;

use jiff::Timestamp;

use crate::azure::manager::FetchError;
use crate::azure::poll::Poll;
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

/// A source that is asked time and again.
pub(super) struct Polled<T> {
    pub(super) poll: Poll,
    pub(super) standing: Standing,
    last: Option<T>,
}

impl<T: PartialEq> Polled<T> {
    /// To be asked at once and then `every` so often; it said `last` before.
    pub(super) fn new(every: Duration, seed: u64, last: Option<(T, Standing)>) -> Self {
        let (last, standing) = last.unzip();
        Self {
            poll: Poll::new(every, seed),
            standing: standing.unwrap_or_default(),
            last,
        }
    }

    /// What it last said.
    pub(super) fn last(&self) -> Option<&T> {
        self.last.as_ref()
    }

    /// What it last said, and how it stands, for one that takes its place.
    pub(super) fn into_last(self) -> Option<(T, Standing)> {
        self.last.map(|last| (last, self.standing))
    }

    /// Takes what an earlier run knew.
    pub(super) fn restore(&mut self, last: T, confirmed: Option<Timestamp>) {
        self.last = Some(last);
        self.standing.confirmed = confirmed;
    }

    /// Whether it is to be asked now; if so, it counts as asked.
    pub(super) fn starts(&mut self, now: Duration) -> bool {
        let is_due = self.poll.is_due(now);
        if is_due {
            self.poll.started(now);
        }
        is_due
    }

    /// Takes an answer; what it said before, where it says something else now.
    pub(super) fn take(
        &mut self,
        answer: Result<T, FetchError>,
        now: Duration,
    ) -> Option<Option<T>> {
        match answer {
            Ok(answer) => {
                self.good(now);
                (self.last.as_ref() != Some(&answer)).then(|| self.last.replace(answer))
            }
            Err(error) => {
                self.failed(error.to_string(), error.retry_after(), now);
                None
            }
        }
    }

    /// Notes that what it last said still holds.
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
