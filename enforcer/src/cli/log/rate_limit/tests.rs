//! Which lines are written, in simulated time and through a real subscriber.

use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

fn line(key: &str, message: &str) -> LogLine {
    LogLine {
        key: LineKind {
            statement: key.to_owned(),
            ..LineKind::default()
        },
        message: message.to_owned(),
        ..LogLine::default()
    }
}

fn written(kinds: &mut Kinds, key: &str, lines: usize, now: Instant) -> usize {
    let decisions = (0..lines).map(|at| kinds.admit(line(key, &format!("line {at}")), now));
    decisions
        .filter(|decision| *decision == Admission::Write)
        .count()
}

#[test]
fn a_kind_has_a_burst_and_then_a_rate() {
    let (mut kinds, start) = (Kinds::default(), Instant::now());
    assert_eq!(written(&mut kinds, "a", 10_000, start), 50);
    assert_eq!(written(&mut kinds, "a", 10_000, start + MINUTE), 10);
    assert_eq!(written(&mut kinds, "b", 1, start), 1, "another kind");
    assert_eq!(written(&mut kinds, "a", 10_000, start + 10 * MINUTE), 50);
}

#[test]
fn suppressed_lines_are_counted_once() {
    let (mut kinds, now) = (Kinds::default(), Instant::now());
    written(&mut kinds, "a", 50, now);
    assert_eq!(
        kinds.admit(line("a", "51"), now),
        Admission::FirstSuppressed
    );
    assert_eq!(kinds.admit(line("a", "52"), now), Admission::Suppressed);
    assert_eq!(kinds.take_counts(), [("52".to_owned(), 2)]);
    assert_eq!(kinds.take_counts(), []);
    assert_eq!(
        kinds.admit(line("a", "53"), now),
        Admission::FirstSuppressed
    );
}

#[test]
fn kinds_beyond_the_maximum_share_a_limit() {
    let (mut kinds, now) = (Kinds::default(), Instant::now());
    let keys = (0..10_000).map(|number| format!("kind {number}"));
    let written: usize = keys.map(|key| written(&mut kinds, &key, 1, now)).sum();
    assert_eq!(written, MAX_KINDS + BURST as usize);
    assert!(kinds.buckets.len() <= MAX_KINDS + 1);
    assert_eq!(
        written_after_all_are_full(&mut kinds, now),
        1,
        "kinds that are full again make room"
    );
}

fn written_after_all_are_full(kinds: &mut Kinds, now: Instant) -> usize {
    kinds.take_counts();
    let written = written(kinds, "new", 1, now + 10 * MINUTE);
    assert_eq!(kinds.buckets.len(), 1);
    written
}

/// Keeps the message of each line that reaches it.
struct Written(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Written {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = LogLine::default();
        event.record(&mut line);
        self.0.lock().unwrap().push(line.message);
    }
}

/// How often each message of `lines` is written.
fn written_of(lines: impl FnOnce()) -> BTreeMap<String, usize> {
    let written = Arc::new(Mutex::new(Vec::new()));
    let limited = RateLimited::new(Written(written.clone())).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(limited), lines);
    let mut counts = BTreeMap::new();
    for message in written.lock().unwrap().drain(..) {
        *counts.entry(message).or_default() += 1;
    }
    counts
}

/// Logs an event with the fields of `daemon::journal` that the limit depends on.
fn event_line(
    verdict: &str,
    cgroup: &str,
    unit: Option<&str>,
    container: Option<&str>,
    message: &str,
) {
    tracing::info!(
        egress_kind = "denied",
        egress_verdict = verdict,
        egress_reason = "storage",
        egress_cgroup = cgroup,
        egress_unit = unit,
        egress_container = container,
        "{message}"
    );
}

/// A line of the statement of `daemon::alarms`.
fn alarm_line(kind: &str) {
    tracing::warn!(egress_alarm = kind, "{kind}");
}

#[test]
fn each_kind_of_alarm_has_its_own_limit() {
    let written = written_of(|| {
        (0..1000).for_each(|_| alarm_line("name-failing"));
        alarm_line("config-refused");
    });
    let expected = [("config-refused", 1), ("name-failing", 50)];
    assert_eq!(
        written,
        expected
            .map(|(kind, count)| (kind.to_owned(), count))
            .into()
    );
}

#[test]
fn denials_of_one_source_do_not_suppress_those_of_another() {
    let written = written_of(|| {
        for _ in 0..1000 {
            event_line("deny", "/docker/a", None, Some("a"), "container a");
            event_line("deny", "/plant/a", None, None, "cgroup a");
            event_line("deny", "/s/a.service", Some("a.service"), None, "unit a");
        }
        event_line("deny", "/docker/b", None, Some("b"), "container b");
        event_line("deny", "/plant/b", None, None, "cgroup b");
        event_line("deny", "/s/b.service", Some("b.service"), None, "unit b");
    });
    for (message, count) in [
        ("container a", 50),
        ("container b", 1),
        ("cgroup a", 50),
        ("cgroup b", 1),
        ("unit a", 50),
        ("unit b", 1),
    ] {
        assert_eq!(written.get(message), Some(&count), "{message}");
    }
}

#[test]
fn cgroups_below_a_unit_share_its_limit() {
    let written = written_of(|| {
        for number in 0..1000 {
            let (unit, name) = (Some("user@1000.service"), number.to_string());
            event_line("deny", &name, unit, Some(&name), "with a container");
            event_line("deny", &name, unit, None, "without");
        }
    });
    assert_eq!(written.values().sum::<usize>(), 50, "{written:?}");
}

#[test]
fn many_kinds_of_denials_do_not_suppress_other_lines() {
    let written = written_of(|| {
        for number in 0..1000 {
            let cgroup = format!("/{number}");
            for verdict in ["deny", "audit"] {
                event_line(verdict, &cgroup, None, None, "denial");
            }
        }
        (0..1000).for_each(|_| event_line("deny", "/more", None, None, "denial"));
        alarm_line("config-refused");
        event_line("note", "", None, None, "note");
        tracing::warn!("any other line");
    });
    for message in ["config-refused", "note", "any other line"] {
        assert_eq!(written.get(message), Some(&1), "{message}");
    }
    let most = 2 * MAX_KINDS + BURST as usize;
    assert!(written["denial"] <= most, "{written:?}");
}

#[test]
fn other_fields_do_not_make_kinds() {
    let written = written_of(|| {
        for number in 0..1000 {
            tracing::warn!(address = number, "an answer was refused");
        }
    });
    assert_eq!(written.values().sum::<usize>(), 50);
}

#[test]
fn the_daemon_writes_every_field_that_the_limit_depends_on() {
    let alarms = include_str!("../../../daemon/shell.rs");
    let events = include_str!("../../../daemon/journal.rs");
    let statements = alarms.lines().chain(events.lines()).map(str::trim);
    for field in KEY_FIELDS
        .iter()
        .chain(&SOURCE_FIELDS)
        .chain([&VERDICT_FIELD])
    {
        let assigns = |line: &str| {
            line.strip_prefix(*field)
                .is_some_and(|rest| rest.starts_with(" = "))
        };
        assert!(statements.clone().any(assigns), "{field}");
    }
}
