//! What ages: service tags, exceptions, names and sources.

use jiff::Timestamp;
use serde::Serialize;

use crate::core::{ExceptionStatus, NameStatus, Status};

/// Seconds in a day.
const DAY: i64 = 86_400;
/// Days before the end of an exception from which on it needs attention.
const SOON: i64 = 30;

/// Whether something needs attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Urgency {
    /// It does now.
    Now,
    /// It does within [`SOON`] days.
    Soon,
    /// It does not.
    None,
}

/// Something that ages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "ReportAge"))]
pub(crate) struct Age {
    /// Whether it needs attention.
    pub(crate) urgency: Urgency,
    /// What it is.
    pub(crate) what: String,
    /// Its state.
    pub(crate) state: String,
}

impl Age {
    fn new(urgency: Urgency, what: impl Into<String>, state: String) -> Self {
        Self {
            urgency,
            what: what.into(),
            state,
        }
    }
}

/// Returns what ages, the most urgent first.
pub(super) fn of(status: &Status, now: Timestamp) -> Vec<Age> {
    let mut ages = vec![tags(status)];
    let exceptions = status.exceptions.iter();
    ages.extend(exceptions.map(|exception| of_exception(exception, now)));
    let sources = status.sources.iter();
    ages.extend(sources.filter_map(|source| {
        let failing = source.failing.as_ref()?;
        let state = format!("fails since {:.0}: {}", failing.since, failing.message);
        Some(Age::new(Urgency::Now, source.source.clone(), state))
    }));
    let names = status
        .registries
        .iter()
        .flat_map(|registry| &registry.names);
    ages.extend(names.map(of_name));
    ages.sort_by_key(|age| age.urgency);
    ages
}

fn tags(status: &Status) -> Age {
    let tags = &status.tags;
    let limit = tags.max_age_days;
    let (urgency, state) = match tags.age_days {
        Some(days) if days > limit => (Urgency::Now, format!("{days} days old, more than {limit}")),
        Some(days) => (Urgency::None, format!("{days} of {limit} days old")),
        None => (Urgency::Now, "their age is not known".to_owned()),
    };
    let state = format!("change {} of {}: {state}", tags.change_number, tags.source);
    Age::new(urgency, "service tags", state)
}

fn of_exception(exception: &ExceptionStatus, now: Timestamp) -> Age {
    let days = (exception.until.as_second() - now.as_second()).div_euclid(DAY);
    let (urgency, state) = match days {
        _ if exception.ended => (Urgency::Now, "has ended: remove it".to_owned()),
        0..=SOON => (Urgency::Soon, format!("ends in {days} days")),
        _ => (Urgency::None, format!("ends in {days} days")),
    };
    let what = format!("exception for {}: {}", exception.target, exception.reason);
    Age::new(urgency, what, format!("{state} ({:.0})", exception.until))
}

fn of_name(name: &NameStatus) -> Age {
    let (urgency, state) = match (&name.failing, name.resolved) {
        (Some(failing), _) => (
            Urgency::Now,
            format!(
                "does not resolve since {:.0}: {}",
                failing.since, failing.message
            ),
        ),
        (None, Some(resolved)) => (Urgency::None, format!("resolved {resolved:.0}")),
        (None, None) => (Urgency::Soon, "not resolved since the start".to_owned()),
    };
    Age::new(urgency, name.name.as_str(), state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::test_data;

    #[test]
    fn what_needs_attention_comes_first() {
        let mut status = test_data::status();
        status.tags.age_days = Some(status.tags.max_age_days + 1);
        let ages = of(&status, test_data::at("20:00"));
        assert!(ages.is_sorted_by_key(|age| age.urgency));
        let tags = ages.iter().find(|age| age.what == "service tags").unwrap();
        assert_eq!(tags.urgency, Urgency::Now);
        assert!(tags.state.contains("days old, more than"));
    }

    #[test]
    fn an_exception_is_urgent_when_it_has_ended() {
        let mut status = test_data::status();
        let exception = &mut status.exceptions[0];
        exception.ended = false;
        let before = |days: u64| exception.until - std::time::Duration::from_secs(days * 86_400);
        let urgency = |now| of_exception(exception, now).urgency;
        assert_eq!(urgency(before(31)), Urgency::None);
        assert_eq!(urgency(before(30)), Urgency::Soon);
        exception.ended = true;
        assert_eq!(
            of_exception(exception, exception.until).urgency,
            Urgency::Now
        );
    }
}
