//! Values as text for people.

use jiff::Timestamp;

use crate::config::EndpointKind;

/// Formats an instant to the second, in UTC.
pub(super) fn instant(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// Formats a span of seconds in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let first = UNITS.iter().position(|(size, _)| seconds >= *size);
    let Some(first) = first else {
        return "0s".to_owned();
    };
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in UNITS.iter().skip(first).take(2) {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    parts.join(" ")
}

/// Formats the span from `time` to `now`; zero where `time` is later.
pub(super) fn age(time: Timestamp, now: Timestamp) -> String {
    span(u64::try_from(now.duration_since(time).as_secs()).unwrap_or(0))
}

/// Returns `text`, or "-" where it is empty.
pub(super) fn or_dash(text: impl Into<String>) -> String {
    let text = text.into();
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

/// Joins the values with spaces.
pub(super) fn list<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    texts.join(" ")
}

/// Formats a count, such as `1 prefix` or `2 prefixes`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{number} {word}")
}

/// Formats the kind of a name; names of exceptions have none.
pub(super) fn kind(kind: Option<EndpointKind>) -> &'static str {
    match kind {
        Some(EndpointKind::LoginServer) => "login",
        Some(EndpointKind::Data) => "data",
        Some(EndpointKind::Regional) => "regional",
        None => "exception",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_two_units_at_most() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m 1s"),
            (3600, "1h"),
            (3661, "1h 1m"),
            (86_400 + 59, "1d"),
            (27 * 86_400 + 7200, "27d 2h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn an_age_is_never_negative() {
        let [early, late] = [100, 160].map(|second| Timestamp::from_second(second).unwrap());
        assert_eq!(age(early, late), "1m");
        assert_eq!(age(late, early), "0s");
        assert_eq!(instant(early), "1970-01-01T00:01:40Z");
    }
}
