//! Durations, as people write them.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use super::FromText;

/// Units and their seconds, the largest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// A duration.
pub(in crate::config) struct WrittenDuration {
    pub(in crate::config) value: Duration,
    /// How it was written and how it is written usually, where that is not the same.
    pub(in crate::config) unusual: Option<(String, String)>,
}

impl FromText for WrittenDuration {
    const EXPECTED: &'static str = "a duration in quotes, such as \"15m\" or \"90d\"";

    fn from_text(text: &str) -> Result<Self, String> {
        if let Some(value) = duration(text) {
            let unusual = (!is_usual(text)).then(|| (text.to_owned(), usual(value)));
            return Ok(Self { value, unusual });
        }
        // Units are written in lower case.
        let fix = duration(&text.to_ascii_lowercase()).map(|value| format!("\"{}\"", usual(value)));
        let fix =
            fix.unwrap_or_else(|| "one such as \"30s\", \"15m\", \"12h\" or \"90d\"".to_owned());
        Err(format!("\"{text}\" is not a duration; write {fix}"))
    }
}

fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(signed).ok()
}

/// Whether each number in `text` has a unit of one letter.
fn is_usual(text: &str) -> bool {
    text.split_ascii_whitespace().all(|part| {
        let units = part.split(|letter: char| letter.is_ascii_digit());
        let mut units = units.filter(|unit| !unit.is_empty());
        units.all(|unit| UNITS.iter().any(|(known, _)| *known == unit))
    })
}

/// The duration in the largest unit that it is a whole number of.
fn usual(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let whole = |(_, size): &&(&str, u64)| seconds.is_multiple_of(*size);
    match UNITS.iter().find(whole) {
        Some((unit, size)) if duration.subsec_nanos() == 0 => format!("{}{unit}", seconds / size),
        _ => format!("{duration:?}"),
    }
}
