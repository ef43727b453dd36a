//! Whether the service tags are up to date, and the ones that the configuration names.

use jiff::Timestamp;

use super::configuration::configured_sources;
use super::inputs::Host;
use crate::core::AlarmKind;
use crate::core::TagsStatus;
use crate::doctor::check::Check;

const FIX: &str = "download a newer file and run `egress-enforcer tags import FILE`, set protect.service-tags-url, or update the package";

/// Checks the service tags in force, or else the configured ones; `None` if they cannot be read, which another check reports.
pub(super) fn check(host: &Host<'_>, now: Timestamp) -> Option<Check> {
    if let Some(status) = host.running() {
        let mut alarms = status.alarms.iter();
        let concern = alarms.find(|alarm| {
            [AlarmKind::TagsReplaced, AlarmKind::TagsForced]
                .map(AlarmKind::word)
                .contains(&alarm.kind.as_str())
        });
        let concern = concern.map(|alarm| alarm.message.as_str());
        return Some(check_status(&status.tags, concern));
    }
    let sources = configured_sources(host)?;
    let concern = sources.tags_concern().map(|concern| concern.why());
    Some(check_status(&sources.tags_status_at(now), concern))
}

/// Checks the age of `tags`; fails if there is a `concern` about them.
fn check_status(tags: &TagsStatus, concern: Option<&str>) -> Check {
    let age = tags.age_days.map_or("of unknown age".to_owned(), |days| {
        format!("{days} days old; protect.max-age is {}", tags.max_age_days)
    });
    let mut message = format!(
        "change {} ({age}), from {}",
        tags.change_number, tags.source
    );
    let bundle = Some(tags.bundle.as_str()).filter(|bundle| !bundle.is_empty());
    for more in concern.into_iter().chain(bundle) {
        message.push_str(&format!("; {more}"));
    }
    let is_stale = tags.age_days.is_some_and(|days| days > tags.max_age_days);
    Check::new("service tags", concern.is_none() && !is_stale, message, FIX)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::Paths;

    /// Returns the check of a configuration in `directory` with the lines `protect`, without a daemon.
    fn check_without_daemon(directory: &Path, protect: &str, now: &str) -> Check {
        let file = directory.join("config.toml");
        let text = format!("registry = []\n{protect}\n[paths]\nstate = {directory:?}\n");
        fs::write(&file, text).unwrap();
        let host = Host {
            file: &file,
            is_unconfigured: false,
            paths: Paths::default(),
            status: Ok(None),
        };
        check(&host, now.parse().unwrap()).unwrap()
    }

    #[track_caller]
    fn assert_message(check: &Check, words: &[&str]) {
        for words in words {
            assert!(check.message.contains(words), "{words:?}: {check:?}");
        }
    }

    #[test]
    fn tags_older_than_max_age_fail() {
        let directory = tempfile::tempdir().unwrap();
        let at = |now| check_without_daemon(directory.path(), "", now);
        let young = at("2026-07-01T00:00:00Z");
        assert!(young.is_ok(), "{}", young.message);
        let old = at("2026-11-29T00:00:00Z");
        assert!(old.is_failed(), "{}", old.message);
        let words = [
            "160 days old",
            "max-age is 90",
            "the bundle in the binary",
            "change 403 or later",
            "Public_20260622",
        ];
        assert_message(&old, &words);
    }

    #[test]
    fn tags_that_the_bundle_replaces_fail() {
        let directory = tempfile::tempdir().unwrap();
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
        fs::write(&tags, text).unwrap();
        let protect = format!("[protect]\nservice-tags = {tags:?}");
        let check = check_without_daemon(directory.path(), &protect, "1970-01-01T00:00:00Z");
        assert!(check.is_failed());
        let words = [
            "change 305, published about 2024-05-06",
            "older than the bundle",
            "change 403 or later",
        ];
        assert_message(&check, &words);
    }
}
