use super::fixture::{Fixture, HOUR, at, login_server, new_file, newer_tags, replicas, sources};
use super::*;
use crate::azure::TagOrigin;
use crate::azure::resource_manager::FetchedTags;

#[test]
fn sources_keep_their_last_answer_through_an_outage_and_recover() {
    let mut fixture = Fixture::new();
    let tags = newer_tags(&fixture.sources.tags);
    fixture.succeed(at(Duration::ZERO), &["eastus"], &tags);
    let (names, in_force) = (
        fixture.names(),
        fixture.sources.with(&fixture.dynamic).unwrap().tags,
    );
    assert!(
        names.contains("contoso.eastus.data.azurecr.io"),
        "{names:?}"
    );
    assert_eq!(in_force.change_number, tags.change_number);
    assert!(fixture.failing().is_empty());

    // Tags are polled once a day, so the outage begins when they are due.
    let start = fixture.dynamic.url.as_ref().unwrap().poll.next_wake();
    let start = start.max(fixture.dynamic.api.as_ref().unwrap().poll.next_wake());
    let (mut now, mut polls) = (start, 0);
    while now < start + HOUR {
        polls += fixture.fail(at(now), polls);
        assert_eq!(fixture.names(), names);
        assert_eq!(
            fixture
                .sources
                .with(&fixture.dynamic)
                .unwrap()
                .tags
                .families,
            in_force.families
        );
        now = fixture.next_wake().max(now);
    }
    assert!((20..200).contains(&polls), "{polls} questions in an hour");
    assert_eq!(fixture.failing().len(), 3);
    let failing = format!("{:?}", fixture.failing());
    assert!(!failing.contains("secret"), "{failing}");

    // Each is polled again, at the latest after the maximum wait.
    now += Duration::from_hours(25);
    let newest = newer_tags(&tags);
    fixture.succeed(at(now), &["eastus", "westus"], &newest);
    assert!(fixture.failing().is_empty());
    assert!(fixture.names().contains("contoso.westus.data.azurecr.io"));
    let tags = fixture.sources.with(&fixture.dynamic).unwrap().tags;
    assert_eq!(tags.change_number, newest.change_number);
}

#[test]
fn an_older_file_at_the_url_is_refused_and_not_fetched_again() {
    let mut fixture = Fixture::new();
    let tags = newer_tags(&fixture.sources.tags);
    fixture.succeed(at(Duration::ZERO), &["eastus"], &tags);
    let in_force = fixture.sources.with(&fixture.dynamic).unwrap().tags;
    let older = fixture.of_url(Ok(new_file(&fixture.sources.tags)));
    assert!(fixture.dynamic.take(older, &tags, at(HOUR)).is_none());
    for now in [HOUR, 2 * HOUR] {
        let failing = fixture.failing();
        assert!(
            failing.values().any(|why| why.contains("older")),
            "{failing:?}"
        );
        assert_eq!(
            fixture.sources.with(&fixture.dynamic).unwrap().tags,
            in_force
        );
        assert!(fixture.dynamic.fetched.validator.is_some());
        let unchanged = fixture.of_url(Ok(FetchedTags::Unchanged));
        assert!(fixture.dynamic.take(unchanged, &tags, at(now)).is_none());
    }
}

#[test]
fn an_answer_without_a_valid_policy_is_dropped_and_polled_with_backoff() {
    let mut fixture = Fixture::new();
    let tags = fixture.sources.tags.clone();
    fixture.succeed(at(Duration::ZERO), &["eastus"], &tags);
    let confirmed = fixture.dynamic.managers[&login_server()].health.confirmed;
    let (mut now, mut waits) = (HOUR, Vec::new());
    for _ in 0..4 {
        let answer = fixture.of_manager(Ok(replicas(&["eastus", "westus"])));
        let before = fixture.dynamic.take(answer, &tags, at(now)).unwrap();
        fixture
            .dynamic
            .refuse(before, "does not fit".to_owned(), at(now));
        let polled = &fixture.dynamic.managers[&login_server()];
        assert_eq!(polled.health.confirmed, confirmed);
        waits.push(polled.poll.next_wake() - now);
        now = polled.poll.next_wake();
    }
    assert!(waits[3] > 2 * waits[0], "{waits:?}");
    assert!(!fixture.names().contains("contoso.westus.data.azurecr.io"));
    assert!(fixture.names().contains("contoso.eastus.data.azurecr.io"));
    assert_eq!(fixture.failing().len(), 1);
}

#[test]
fn sources_that_are_no_longer_configured_are_dropped_with_their_late_answers() {
    let mut fixture = Fixture::new();
    let tags = newer_tags(&fixture.sources.tags);
    fixture.succeed(at(Duration::ZERO), &["eastus"], &tags);
    let bare = Sources::of_text("[[registry]]\nlogin-server = \"contoso.azurecr.io\"\n");
    let merged = bare.with(&fixture.dynamic).unwrap();
    assert_eq!(merged.endpoints[0].len(), 1);
    assert_eq!(merged.tags.change_number, bare.tags.change_number);
    let late = [
        fixture.of_manager(Ok(replicas(&["westus"]))),
        fixture.of_url(Ok(new_file(&newer_tags(&tags)))),
    ];
    fixture.dynamic.follow(&bare, Vec::new(), at(HOUR));
    for answer in late {
        assert!(fixture.dynamic.take(answer, &tags, at(HOUR)).is_none());
    }
}

#[test]
fn a_reload_polls_only_changed_sources_and_keeps_the_last_answer() {
    let mut fixture = Fixture::new();
    let tags = newer_tags(&fixture.sources.tags);
    fixture.succeed(at(Duration::ZERO), &["eastus"], &tags);
    let wake = fixture.next_wake();
    fixture.dynamic.follow(&sources(), Vec::new(), at(HOUR));
    assert_eq!(fixture.next_wake(), wake);
    assert!(fixture.dynamic.fetched.validator.is_some());
    let mut moved = sources();
    let other = Sources::of_text(
        "registry = []\n[protect]\nservice-tags-url = \"https://other.example.com/x\"\n",
    );
    moved.config.protect.service_tags_url = other.config.protect.service_tags_url;
    fixture.dynamic.follow(&moved, Vec::new(), at(HOUR));
    assert!(fixture.dynamic.fetched.validator.is_none());
    assert!(fixture.dynamic.url.as_ref().unwrap().poll.is_due(HOUR));
    let in_force = moved.with(&fixture.dynamic).unwrap().tags;
    assert_eq!(in_force.change_number, tags.change_number);
}

#[test]
fn persisted_answers_are_in_force_before_the_first_poll() {
    let mut fixture = Fixture::new();
    let tags = newer_tags(&fixture.sources.tags);
    fixture.succeed(at(Duration::ZERO), &["eastus"], &tags);
    let persisted = fixture.dynamic.persist(&fixture.sources, at(HOUR));
    let mut next = Fixture::new();
    next.dynamic
        .restore(&persisted, &next.sources.config, at(Duration::ZERO));
    assert_eq!(next.names(), fixture.names());
    let restored = next.sources.with(&next.dynamic).unwrap().tags;
    assert_eq!(
        (restored.change_number, restored.families),
        (tags.change_number, tags.families)
    );
}

#[test]
fn persisted_tags_older_than_the_bundle_are_not_used_and_both_are_named() {
    let mut fixture = Fixture::new();
    let mut old = newer_tags(&fixture.sources.tags);
    (old.change_number, old.origin) = (375, TagOrigin::Kept);
    old.date = Some(jiff::civil::date(2025, 10, 28));
    let persisted = PersistedSources::new(BTreeMap::new(), Some(old), None);
    fixture
        .dynamic
        .restore(&persisted, &fixture.sources.config, at(Duration::ZERO));
    let merged = fixture.sources.with(&fixture.dynamic).unwrap();
    assert_eq!(merged.tags.change_number, 403);
    let outdated = fixture.dynamic.outdated().unwrap();
    for words in [
        "https://mirror.example.com/tags.json",
        "change 375, published about 2025-10-28",
        "change 403 or later, published 2026-06-22",
    ] {
        assert!(outdated.contains(words), "no {words:?} in {outdated}");
    }
    assert!(!outdated.contains("secret"), "{outdated}");
    let newer = newer_tags(&fixture.sources.tags);
    let answer = fixture.of_url(Ok(new_file(&newer)));
    let before = fixture
        .dynamic
        .take(answer, &merged.tags, at(HOUR))
        .unwrap();
    fixture.dynamic.accept(&before, at(HOUR));
    assert_eq!(fixture.dynamic.outdated(), None);
}
