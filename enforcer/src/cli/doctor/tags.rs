//! Whether the service tags are young enough, and the ones that the configuration means.

use jiff::Timestamp;

use crate::cli::daemon_link::status_if_running;
use crate::cli::places::Places;
use crate::config;
use crate::control::TagsStatus;
use crate::daemon::{Options, Source, Sources, TAGS_FORCED, TAGS_REPLACED};
use crate::kernel::Check;

const WHAT: &str = "service tags";
const FIX: &str = "get a newer file and `egress-enforcer tags import FILE`, set protect.service-tags-url, or update the package";

/// The service tags in force, or else those that the configuration calls for; none where that is a check of its own.
pub(super) fn service_tags(places: &Places, now: Timestamp) -> Option<Check> {
    let running = places
        .paths()
        .ok()
        .and_then(|paths| status_if_running(&paths).ok()?);
    if let Some(status) = running {
        let mut alarms = status.alarms.iter();
        let concern =
            alarms.find(|alarm| [TAGS_REPLACED, TAGS_FORCED].contains(&alarm.kind.as_str()));
        return Some(check(
            &status.tags,
            concern.map(|alarm| alarm.message.as_str()),
        ));
    }
    let source = if places.is_unconfigured() {
        Source::Given(Box::new(
            config::parse("registry = []\n", places.file()).ok()?,
        ))
    } else {
        Source::File(places.file().to_owned())
    };
    let options = Options {
        source,
        audit: false,
        ephemeral: false,
        scope: None,
    };
    let sources = Sources::read(&options).ok()?;
    let concern = sources.tags_concern().map(|(_, why)| why);
    Some(check(&sources.tags_status_at(now), concern))
}

fn check(tags: &TagsStatus, concern: Option<&str>) -> Check {
    let age = tags.age_days.map_or("of unknown age".to_owned(), |days| {
        format!("{days} days old; protect.max-age is {}", tags.max_age_days)
    });
    let mut found = format!(
        "change {} ({age}), from {}",
        tags.change_number, tags.source
    );
    for more in [
        concern,
        Some(tags.bundle.as_str()).filter(|bundle| !bundle.is_empty()),
    ] {
        found.extend(more.map(|more| format!("; {more}")));
    }
    let is_stale = tags.age_days.is_some_and(|days| days > tags.max_age_days);
    Check::new(WHAT, concern.is_none() && !is_stale, found, FIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unconfigured(now: &str) -> Check {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        let paths = directory.path().join("run");
        std::fs::write(
            &file,
            format!("registry = []\n[paths]\nruntime = {paths:?}\n"),
        )
        .unwrap();
        service_tags(&Places::new(Some(file)), now.parse().unwrap()).unwrap()
    }

    #[test]
    fn tags_older_than_the_configured_age_are_unfit_and_say_what_they_are() {
        let young = unconfigured("2026-07-01T00:00:00Z");
        assert!(young.is_ok(), "{}", young.message);
        let old = unconfigured("2026-11-29T00:00:00Z");
        assert!(!old.is_ok(), "{}", old.message);
        for words in [
            "160 days old",
            "max-age is 90",
            "the bundle in the binary",
            "change 403 or later",
            "Public_20260622",
        ] {
            assert!(
                old.message.contains(words),
                "no {words:?} in: {}",
                old.message
            );
        }
    }

    #[test]
    fn tags_that_the_bundle_replaces_are_unfit() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        let tags = directory.path().join("ServiceTags_Public.json");
        let tag = |name: &str, prefix: &str| {
            format!(r#"{{"name":"{name}","properties":{{"addressPrefixes":["{prefix}"]}}}}"#)
        };
        let values = [
            tag("Storage", "20.38.98.0/24"),
            tag("AzureContainerRegistry", "20.42.66.0/24"),
        ];
        let text = format!(
            r#"{{"changeNumber":305,"cloud":"Public","values":[{}]}}"#,
            values.join(",")
        );
        std::fs::write(&tags, text).unwrap();
        let state = directory.path();
        let text = format!(
            "registry = []\n[protect]\nservice-tags = {tags:?}\n[paths]\nstate = {state:?}\nruntime = {state:?}\n"
        );
        std::fs::write(&file, text).unwrap();
        let check = service_tags(&Places::new(Some(file)), Timestamp::UNIX_EPOCH).unwrap();
        assert!(!check.is_ok());
        for words in [
            "change 305, published about 2024-05-06",
            "older than the bundle",
            "change 403 or later",
        ] {
            assert!(
                check.message.contains(words),
                "no {words:?} in: {}",
                check.message
            );
        }
    }
}
