//! Which lines pass, in simulated time and through a real subscriber.

use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

fn line(key: &str, message: &str) -> Line {
    Line {
        key: key.to_owned(),
        message: message.to_owned(),
    }
}

fn written(kinds: &mut Kinds, key: &str, lines: usize, now: Instant) -> usize {
    let judged = (0..lines).map(|at| kinds.judge(line(key, &format!("line {at}")), now));
    judged.filter(|verdict| *verdict == Verdict::Write).count()
}

#[test]
fn a_kind_has_a_burst_and_then_so_many_lines_a_minute() {
    let (mut kinds, start) = (Kinds::default(), Instant::now());
    assert_eq!(written(&mut kinds, "a", 10_000, start), 50);
    assert_eq!(written(&mut kinds, "a", 10_000, start + MINUTE), 10);
    assert_eq!(written(&mut kinds, "b", 1, start), 1, "another kind");
    assert_eq!(written(&mut kinds, "a", 10_000, start + 10 * MINUTE), 50);
}

#[test]
fn what_was_not_written_is_counted_once() {
    let (mut kinds, now) = (Kinds::default(), Instant::now());
    written(&mut kinds, "a", 50, now);
    assert_eq!(kinds.judge(line("a", "51"), now), Verdict::FirstSuppressed);
    assert_eq!(kinds.judge(line("a", "52"), now), Verdict::Suppressed);
    assert_eq!(kinds.take_counts(), [("52".to_owned(), 2)]);
    assert_eq!(kinds.take_counts(), []);
    assert_eq!(kinds.judge(line("a", "53"), now), Verdict::FirstSuppressed);
}

#[test]
fn kinds_without_number_share_a_limit() {
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

/// Counts what reaches it.
struct Count(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Count {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut told = line("", "");
        event.record(&mut told);
        self.0.lock().unwrap().push(told.key);
    }
}

#[test]
fn lines_of_one_statement_are_of_one_kind_whatever_they_say_but_for_the_key_fields() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let limited = RateLimited::new(Count(seen.clone())).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(limited), || {
        for number in 0..1000 {
            let kind = if number % 2 == 0 { "even" } else { "odd" };
            tracing::warn!(kind, address = number, "an answer was refused: {number}");
        }
    });
    let seen = seen.lock().unwrap();
    for kind in [" even", " odd"] {
        assert_eq!(seen.iter().filter(|key| *key == kind).count(), 50, "{kind}");
    }
}
