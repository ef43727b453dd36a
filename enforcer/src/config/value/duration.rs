//! Durations as text, and their bounds.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use super::{FromText, Located, Text};
use crate::config::faults::Faults;

/// Units and their seconds, the largest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
/// The shortest and the longest interval between two requests: after a week, a new replica would be found too late to be useful.
const POLL_INTERVALS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(7 * 24);

/// A duration as written.
pub(in crate::config) struct WrittenDuration {
    value: Duration,
    /// The text and its conventional form, where the two differ.
    unusual: Option<(String, String)>,
}

/// The key of a duration.
pub(in crate::config) type DurationKey = Option<Located<Text<WrittenDuration>>>;

impl FromText for WrittenDuration {
    const EXPECTED: &'static str = "a duration in quotes, such as \"15m\" or \"90d\"";

    fn from_text(text: &str) -> Result<Self, String> {
        if let Some(value) = duration(text) {
            let unusual = (!is_usual(text)).then(|| (text.to_owned(), usual(value)));
            return Ok(Self { value, unusual });
        }
        // Units are lower-case.
        let fix = duration(&text.to_ascii_lowercase()).map(|value| format!("\"{}\"", usual(value)));
        let fix =
            fix.unwrap_or_else(|| "one such as \"30s\", \"15m\", \"12h\" or \"90d\"".to_owned());
        Err(format!("\"{text}\" is not a duration; write {fix}"))
    }
}

/// Returns the interval between two requests to a remote service, or `default`.
pub(in crate::config) fn poll_interval(
    written: DurationKey,
    default: Duration,
    faults: &mut Faults,
) -> Duration {
    bounded(written, default, POLL_INTERVALS, faults)
}

/// Returns the duration as written, or `default`; one outside `bounds` is a fault.
pub(in crate::config) fn bounded(
    written: DurationKey,
    default: Duration,
    bounds: RangeInclusive<Duration>,
    faults: &mut Faults,
) -> Duration {
    let Some(written) = written else {
        return default;
    };
    let at = written.span();
    let Text(WrittenDuration { value, unusual }) = written.into_inner();
    if let Some((text, usual)) = unusual {
        faults.note(
            &at,
            format!("\"{text}\" is read as \"{usual}\"; write that"),
        );
    }
    let problem = if value < *bounds.start() {
        let least = bounds.start().as_secs();
        Some(format!("{value:?} is too short; write at least {least}s"))
    } else if value > *bounds.end() {
        let most = bounds.end().as_secs();
        Some(format!("{value:?} is too long; write at most {most}s"))
    } else {
        None
    };
    faults.check(&at, problem);
    value
}

/// Parses a duration such as `15m` or `90d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(signed).ok()
}

/// Returns whether each number in `text` has a unit of one letter.
fn is_usual(text: &str) -> bool {
    text.split_ascii_whitespace().all(|part| {
        let units = part.split(|letter: char| letter.is_ascii_digit());
        let mut units = units.filter(|unit| !unit.is_empty());
        units.all(|unit| UNITS.iter().any(|(known, _)| *known == unit))
    })
}

/// Formats the duration in the largest unit that divides it.
fn usual(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let whole = |(_, size): &&(&str, u64)| seconds.is_multiple_of(*size);
    match UNITS.iter().find(whole) {
        Some((unit, size)) if duration.subsec_nanos() == 0 => format!("{}{unit}", seconds / size),
        _ => format!("{duration:?}"),
    }
}
