//! Rate limit of the log, so that no flood of events fills the disk.
//!
//! Lines are of one kind if one statement of the program writes them with the same [`KEY_FIELDS`] and the same [`SOURCE_FIELDS`]. [`BURST`]
//! lines of each kind are written at once and [`PER_MINUTE`] a minute after that; the rest is counted, and the counts are logged every minute.
//! Any user who can create cgroups can cause many kinds of denials, so denials and other lines have separate limits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::core::NOTE;

/// Lines of one kind that are written at once.
const BURST: u32 = 50;
/// Lines of one kind that are written each minute after a burst.
const PER_MINUTE: u32 = 10;
/// Most kinds of denials, and of other lines, with a limit of their own; further kinds share one.
const MAX_KINDS: usize = 256;
const MINUTE: Duration = Duration::from_secs(60);
/// Interval between the lines that give the counts.
const REPORT_INTERVAL: Duration = MINUTE;
/// Fields that distinguish lines of one statement.
const KEY_FIELDS: [&str; 3] = ["egress_alarm", "egress_kind", "egress_reason"];
/// Fields that name the source of a line; only the first that a line has counts, because a process may choose the names below its unit.
const SOURCE_FIELDS: [&str; 3] = ["egress_unit", "egress_container", "egress_cgroup"];
/// The field of every event; it distinguishes denials from notes.
const VERDICT_FIELD: &str = "egress_verdict";
/// Most characters of a message that the line with the count repeats.
const SAMPLE_CHARS: usize = 120;
/// The field of lines with a count, which are not limited.
const COUNT_FIELD: &str = "suppressed";

/// Passes events within the limits to `inner`.
pub(super) struct RateLimited<L> {
    inner: L,
    limits: Arc<Mutex<Limits>>,
    wake: Sender<()>,
}

impl<L> RateLimited<L> {
    /// Wraps `inner`, and starts the thread that logs the counts.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub(super) fn new(inner: L) -> std::io::Result<Self> {
        let limits = Arc::new(Mutex::new(Limits::default()));
        let (wake, suppressed) = channel();
        let counted = limits.clone();
        std::thread::Builder::new()
            .name("log-limit".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || report(&counted, &suppressed))?;
        Ok(Self {
            inner,
            limits,
            wake,
        })
    }
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for RateLimited<L> {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let is_count = metadata.fields().field(COUNT_FIELD).is_some();
        let mut line = LogLine {
            key: LineKind {
                statement: format!("{}:{}", metadata.target(), metadata.line().unwrap_or(0)),
                ..LineKind::default()
            },
            ..LogLine::default()
        };
        event.record(&mut line);
        let decision = match is_count {
            true => Admission::Write,
            false => lock(&self.limits).admit(line, Instant::now()),
        };
        match decision {
            Admission::Write => self.inner.on_event(event, context),
            Admission::FirstSuppressed => {
                let _thread_lives = self.wake.send(());
            }
            Admission::Suppressed => {}
        }
    }
}

/// Waits for the first suppressed line, then logs the counts of the following interval.
fn report(limits: &Mutex<Limits>, suppressed: &Receiver<()>) {
    while suppressed.recv().is_ok() {
        std::thread::sleep(REPORT_INTERVAL);
        while suppressed.try_recv().is_ok() {}
        let counts = lock(limits).take_counts();
        for (sample, count) in counts {
            tracing::warn!(
                suppressed = count,
                "suppressed {count} more log lines like this one: {sample}"
            );
        }
    }
}

fn lock(limits: &Mutex<Limits>) -> std::sync::MutexGuard<'_, Limits> {
    limits.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What lines of one kind have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct LineKind {
    /// Target and line of the statement.
    statement: String,
    /// Those of [`KEY_FIELDS`] that the line has, with their values.
    values: BTreeMap<&'static str, String>,
    /// The first of [`SOURCE_FIELDS`] that the line has, by its index, with its value.
    source: Option<(usize, String)>,
}

/// The properties of an event that the limit depends on.
#[derive(Debug, Default)]
struct LogLine {
    key: LineKind,
    is_denial: bool,
    message: String,
}

impl Visit for LogLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = field.name();
        let shown = || format!("{value:?}");
        if KEY_FIELDS.contains(&name) {
            self.key.values.insert(name, shown());
        } else if let Some(at) = SOURCE_FIELDS.iter().position(|source| *source == name) {
            let source = self.key.source.take().filter(|(first, _)| *first < at);
            self.key.source = source.or_else(|| Some((at, shown())));
        } else if name == VERDICT_FIELD {
            self.is_denial = shown() != NOTE;
        } else if name == "message" {
            self.message = shown();
        }
    }
}

/// Whether a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Write,
    /// The first one since counts were last taken.
    FirstSuppressed,
    Suppressed,
}

/// The limits of denials and of other lines.
#[derive(Default)]
struct Limits {
    denials: Kinds,
    others: Kinds,
}

impl Limits {
    fn admit(&mut self, line: LogLine, now: Instant) -> Admission {
        match line.is_denial {
            true => self.denials.admit(line, now),
            false => self.others.admit(line, now),
        }
    }

    /// Returns and resets the number of suppressed lines of each kind, with a sample.
    fn take_counts(&mut self) -> Vec<(String, u64)> {
        let mut counts = self.others.take_counts();
        counts.extend(self.denials.take_counts());
        counts
    }
}

/// A token bucket for each kind of line.
#[derive(Default)]
struct Kinds {
    buckets: BTreeMap<LineKind, Bucket>,
}

struct Bucket {
    /// When the bucket is full again.
    full_at: Instant,
    suppressed: u64,
    sample: String,
}

impl Kinds {
    fn admit(&mut self, line: LogLine, now: Instant) -> Admission {
        if self.buckets.len() >= MAX_KINDS && !self.buckets.contains_key(&line.key) {
            self.buckets
                .retain(|_, bucket| bucket.full_at > now || bucket.suppressed > 0);
        }
        let is_known = self.buckets.contains_key(&line.key);
        let has_room = self.buckets.len() < MAX_KINDS;
        let key = if is_known || has_room {
            line.key
        } else {
            LineKind::default()
        };
        let is_first = self.buckets.values().all(|bucket| bucket.suppressed == 0);
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket {
            full_at: now,
            suppressed: 0,
            sample: String::new(),
        });
        let token = MINUTE / PER_MINUTE;
        let full_at = bucket.full_at.max(now) + token;
        if full_at <= now + token * BURST {
            bucket.full_at = full_at;
            return Admission::Write;
        }
        bucket.suppressed += 1;
        bucket.sample = line.message.chars().take(SAMPLE_CHARS).collect();
        if is_first {
            Admission::FirstSuppressed
        } else {
            Admission::Suppressed
        }
    }

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
