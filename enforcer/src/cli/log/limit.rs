//! Limits how often one kind of log line is written, so that no flood of events fills the disk.
//!
//! Lines are of one kind if one statement of the program writes them with the same [`KEY_FIELDS`]. Of each kind [`BURST`] lines are written
//! at once and [`PER_MINUTE`] a minute after that; the rest is counted, and a line gives the count within a minute.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines of one kind that are written without a pause.
const BURST: u32 = 50;
/// Lines of one kind that are written each minute after a burst.
const PER_MINUTE: u32 = 10;
/// Kinds that are told apart; all others share one limit.
const MAX_KINDS: usize = 256;
const MINUTE: Duration = Duration::from_secs(60);
/// Interval between the lines that give the counts.
const REPORT_INTERVAL: Duration = MINUTE;
/// Fields whose values tell lines of one statement apart.
const KEY_FIELDS: [&str; 4] = ["kind", "egress_kind", "egress_reason", "egress_unit"];
/// Characters of a message that the count shows.
const SAMPLE_CHARS: usize = 120;
/// The field of the line that gives a count; that line is not limited.
const COUNT_FIELD: &str = "suppressed";

/// Passes to `inner` the events that the limit lets through.
pub(super) struct RateLimited<L> {
    inner: L,
    kinds: Arc<Mutex<Kinds>>,
    wake: Sender<()>,
}

impl<L> RateLimited<L> {
    /// Limits `inner`, and starts the thread that reports the counts.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub(super) fn new(inner: L) -> std::io::Result<Self> {
        let kinds = Arc::new(Mutex::new(Kinds::default()));
        let (wake, suppressed) = channel();
        let counted = kinds.clone();
        std::thread::Builder::new()
            .name("log-limit".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || report(&counted, &suppressed))?;
        Ok(Self { inner, kinds, wake })
    }
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for RateLimited<L> {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let is_count = metadata.fields().field(COUNT_FIELD).is_some();
        let mut line = Line {
            key: format!("{}:{}", metadata.target(), metadata.line().unwrap_or(0)),
            message: String::new(),
        };
        event.record(&mut line);
        let verdict = match is_count {
            true => Verdict::Write,
            false => lock(&self.kinds).judge(line, Instant::now()),
        };
        match verdict {
            Verdict::Write => self.inner.on_event(event, context),
            Verdict::FirstSuppressed => {
                let _thread_lives = self.wake.send(());
            }
            Verdict::Suppressed => {}
        }
    }
}

/// Waits for the first suppressed line, then writes the counts of the interval that follows.
fn report(kinds: &Mutex<Kinds>, suppressed: &Receiver<()>) {
    while suppressed.recv().is_ok() {
        std::thread::sleep(REPORT_INTERVAL);
        while suppressed.try_recv().is_ok() {}
        let counts = lock(kinds).take_counts();
        for (sample, count) in counts {
            tracing::warn!(
                suppressed = count,
                "{count} more log lines like this one were not written: {sample}"
            );
        }
    }
}

fn lock(kinds: &Mutex<Kinds>) -> std::sync::MutexGuard<'_, Kinds> {
    kinds.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key and the message of an event.
struct Line {
    key: String,
    message: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if KEY_FIELDS.contains(&field.name()) {
            self.key.push_str(&format!(" {value:?}"));
        } else if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Write,
    /// The first one since counts were last taken.
    FirstSuppressed,
    Suppressed,
}

/// A token bucket for each kind of line.
#[derive(Default)]
struct Kinds {
    buckets: BTreeMap<String, Bucket>,
}

struct Bucket {
    /// When the bucket is full again.
    full_at: Instant,
    suppressed: u64,
    sample: String,
}

impl Kinds {
    fn judge(&mut self, line: Line, now: Instant) -> Verdict {
        if self.buckets.len() >= MAX_KINDS && !self.buckets.contains_key(&line.key) {
            self.buckets
                .retain(|_, bucket| bucket.full_at > now || bucket.suppressed > 0);
        }
        let is_known = self.buckets.contains_key(&line.key);
        let has_room = self.buckets.len() < MAX_KINDS;
        let key = if is_known || has_room {
            line.key
        } else {
            String::new()
        };
        let none_before = self.buckets.values().all(|bucket| bucket.suppressed == 0);
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket {
            full_at: now,
            suppressed: 0,
            sample: String::new(),
        });
        let token = MINUTE / PER_MINUTE;
        let full_at = bucket.full_at.max(now) + token;
        if full_at <= now + token * BURST {
            bucket.full_at = full_at;
            return Verdict::Write;
        }
        bucket.suppressed += 1;
        bucket.sample = line.message.chars().take(SAMPLE_CHARS).collect();
        if none_before {
            Verdict::FirstSuppressed
        } else {
            Verdict::Suppressed
        }
    }

    /// The number of suppressed lines of each kind, with one of them.
    fn take_counts(&mut self) -> Vec<(String, u64)> {
        let counted = self.buckets.values_mut().filter(|it| it.suppressed > 0);
        counted
            .map(|bucket| {
                let count = std::mem::take(&mut bucket.suppressed);
                (std::mem::take(&mut bucket.sample), count)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
