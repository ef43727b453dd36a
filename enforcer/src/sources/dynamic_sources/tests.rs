use std::collections::BTreeSet;

use hyper::StatusCode;

use super::*;
use crate::azure::resource_manager::{FetchError, FetchProblem, FetchTarget, FetchedTags};
use crate::azure::{PrefixSet, TagOrigin, endpoints::EndpointError};
use crate::config::STORAGE_TAG;
use crate::sources::Fetched;

fn at(since_start: Duration) -> Now {
    Now::after(since_start)
}

const HOUR: Duration = Duration::from_hours(1);
const GUID: &str = "00000000-0000-0000-0000-000000000000";

/// A registry and service tags that Azure and a mirror are asked for.
fn sources() -> Sources {
    Sources::of_text(&format!(
        "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\n\
         resource-id = \"/subscriptions/{GUID}/resourceGroups/plant/providers/Microsoft.ContainerRegistry/registries/contoso\"\n\
         [protect]\nservice-tags-url = \"https://mirror.example.com/tags.json?sig=secret\"\nservice-tags-subscription = \"{GUID}\"\n"
    ))
}

fn login_server() -> Name {
    "contoso.azurecr.io".parse().unwrap()
}

/// What Resource Manager tells of a registry with a replica in each of `regions`.
fn replicas(regions: &[&str]) -> Vec<Endpoint> {
    let names = regions.iter().map(|region| {
        let name = format!("contoso.{region}.data.azurecr.io");
        (name.parse().unwrap(), Timestamp::UNIX_EPOCH)
    });
    let names = names.collect();
    endpoints(
        &names,
        &login_server(),
        crate::config::Cloud::Public,
        &Provenance::Manager,
    )
}

/// Newer tags than the bundle's, with one more storage prefix.
fn newer_tags(given: &TagSnapshot) -> TagSnapshot {
    let mut tags = given.clone();
    // Those just above the bundle's lower bound may be older by their day.
    tags.change_number += 10;
    let more: PrefixSet = ["203.0.113.0/24".parse().unwrap()].into_iter().collect();
    let storage = tags.families.get_mut(STORAGE_TAG).unwrap();
    *storage = storage.union(&more);
    tags
}

/// One failure of every kind that a source can meet, by its number.
fn failure(thing: &FetchTarget, number: usize) -> FetchError {
    let statuses = [401, 403, 404, 429, 500, 503];
    if let Some(status) = statuses.get(number % (statuses.len() + 2)) {
        let status = StatusCode::from_u16(*status).unwrap();
        let retry_after =
            (status == StatusCode::TOO_MANY_REQUESTS).then(|| Duration::from_secs(90));
        return thing.failed(FetchProblem::Refused {
            status,
            identity: None,
            retry_after,
        });
    }
    if number.is_multiple_of(2) {
        return thing.failed(FetchProblem::Malformed(
            "EOF while parsing a string".to_owned(),
        ));
    }
    let file = PathBuf::from("answer");
    thing.failed(EndpointError::NoDataEndpoint {
        file,
        registry: "contoso".to_owned(),
    })
}

fn new_file(tags: &TagSnapshot) -> FetchedTags {
    FetchedTags::New {
        tags: Box::new(tags.clone()),
        validator: Some(Validator::Etag("\"1\"".to_owned())),
    }
}

struct Scene {
    sources: Sources,
    dynamic: DynamicSources,
    things: [FetchTarget; 3],
}

impl Scene {
    fn new() -> Self {
        let sources = sources();
        let mut dynamic = DynamicSources::new(7);
        dynamic.follow(&sources, Vec::new(), at(Duration::ZERO));
        let id = sources.config.registries[0].resource_id.clone().unwrap();
        let things = [
            FetchTarget::Registry(id),
            FetchTarget::TagsFile("https://mirror.example.com/tags.json".to_owned()),
            FetchTarget::ServiceTags(GUID.to_owned()),
        ];
        Self {
            sources,
            dynamic,
            things,
        }
    }

    /// Takes what is due at `now` as asked, and says which of the three sources that is.
    fn asked(&mut self, now: Now) -> [bool; 3] {
        let url = self.dynamic.url.as_mut().unwrap().starts(now);
        let api = self.dynamic.api.as_mut().unwrap().starts(now);
        let manager = self.dynamic.managers.get_mut(&login_server()).unwrap();
        [manager.starts(now), url, api]
    }

    fn of_manager(&self, answer: Result<Vec<Endpoint>, FetchError>) -> Fetched {
        let id = self.sources.config.registries[0].resource_id.clone();
        Fetched::Registry(login_server(), id.unwrap(), answer)
    }

    fn of_url(&self, answer: Result<FetchedTags, FetchError>) -> Fetched {
        let url = self.sources.config.protect.service_tags_url.clone();
        Fetched::Url(url.unwrap(), answer)
    }

    /// Takes an answer at `now` and has it in force.
    fn take(&mut self, answer: Fetched, now: Now) {
        if let Some(before) = self.dynamic.take(answer, &self.sources.tags, now) {
            self.dynamic.accept(&before, now);
        }
    }

    /// Answers what is due at `now` with failures, and says how many were.
    fn fail(&mut self, now: Now, number: usize) -> usize {
        let [manager, url, api] = self.asked(now);
        let [of_manager, of_url, of_api] = &self.things;
        let mut failed = Vec::new();
        if manager {
            failed.push(self.of_manager(Err(failure(of_manager, number))));
        }
        if url {
            failed.push(self.of_url(Err(failure(of_url, number))));
        }
        if api {
            failed.push(Fetched::Api(GUID.to_owned(), Err(failure(of_api, number))));
        }
        let count = failed.len();
        for answer in failed {
            assert!(self.dynamic.take(answer, &self.sources.tags, now).is_none());
        }
        count
    }

    fn succeed(&mut self, now: Now, regions: &[&str], tags: &TagSnapshot) {
        assert_eq!(self.asked(now), [true; 3]);
        self.take(self.of_manager(Ok(replicas(regions))), now);
        self.take(self.of_url(Ok(new_file(tags))), now);
        let more = ApiTags {
            cloud: self.sources.tags.cloud,
            change_number: 1,
            families: BTreeMap::new(),
            registry_regions: BTreeMap::new(),
        };
        self.take(Fetched::Api(GUID.to_owned(), Ok(more)), now);
    }

    fn failing(&self) -> BTreeMap<String, String> {
        let sources = self.dynamic.failures().into_iter();
        let failing = sources.filter_map(|(what, failing)| Some((what, failing?)));
        failing.collect()
    }

    fn names(&self) -> BTreeSet<String> {
        let merged = self.sources.with(&self.dynamic).unwrap();
        let names = merged.endpoints.into_iter().flatten();
        names.map(|endpoint| endpoint.name.to_string()).collect()
    }

    fn next_wake(&self) -> Duration {
        self.dynamic.next_wake().unwrap()
    }
}

#[test]
fn cut_off_for_an_hour_each_source_keeps_its_last_word_and_recovers_by_itself() {
    let mut scene = Scene::new();
    let tags = newer_tags(&scene.sources.tags);
    scene.succeed(at(Duration::ZERO), &["eastus"], &tags);
    let (names, in_force) = (
        scene.names(),
        scene.sources.with(&scene.dynamic).unwrap().tags,
    );
    assert!(
        names.contains("contoso.eastus.data.azurecr.io"),
        "{names:?}"
    );
    assert_eq!(in_force.change_number, tags.change_number);
    assert!(scene.failing().is_empty());

    // Tags are asked for once a day, so the outage begins when they are due.
    let start = scene.dynamic.url.as_ref().unwrap().poll.next_wake();
    let start = start.max(scene.dynamic.api.as_ref().unwrap().poll.next_wake());
    let (mut now, mut questions) = (start, 0);
    while now < start + HOUR {
        questions += scene.fail(at(now), questions);
        assert_eq!(scene.names(), names);
        assert_eq!(
            scene.sources.with(&scene.dynamic).unwrap().tags.families,
            in_force.families
        );
        now = scene.next_wake().max(now);
    }
    assert!(
        (20..200).contains(&questions),
        "{questions} questions in an hour"
    );
    assert_eq!(scene.failing().len(), 3);
    let told = format!("{:?}", scene.failing());
    assert!(!told.contains("secret"), "{told}");

    // Each is asked again by itself, at the latest after the longest wait.
    now += Duration::from_hours(25);
    let newest = newer_tags(&tags);
    scene.succeed(at(now), &["eastus", "westus"], &newest);
    assert!(scene.failing().is_empty());
    assert!(scene.names().contains("contoso.westus.data.azurecr.io"));
    let tags = scene.sources.with(&scene.dynamic).unwrap().tags;
    assert_eq!(tags.change_number, newest.change_number);
}

#[test]
fn an_older_file_at_the_url_is_refused_and_not_fetched_again() {
    let mut scene = Scene::new();
    let tags = newer_tags(&scene.sources.tags);
    scene.succeed(at(Duration::ZERO), &["eastus"], &tags);
    let in_force = scene.sources.with(&scene.dynamic).unwrap().tags;
    let older = scene.of_url(Ok(new_file(&scene.sources.tags)));
    assert!(scene.dynamic.take(older, &tags, at(HOUR)).is_none());
    for now in [HOUR, 2 * HOUR] {
        let failing = scene.failing();
        assert!(
            failing.values().any(|why| why.contains("older")),
            "{failing:?}"
        );
        assert_eq!(scene.sources.with(&scene.dynamic).unwrap().tags, in_force);
        assert!(scene.dynamic.fetched.validator.is_some());
        let unchanged = scene.of_url(Ok(FetchedTags::Unchanged));
        assert!(scene.dynamic.take(unchanged, &tags, at(now)).is_none());
    }
}

#[test]
fn what_leads_to_no_policy_is_taken_back_and_asked_for_ever_less_often() {
    let mut scene = Scene::new();
    let tags = scene.sources.tags.clone();
    scene.succeed(at(Duration::ZERO), &["eastus"], &tags);
    let confirmed = scene.dynamic.managers[&login_server()].health.confirmed;
    let (mut now, mut waits) = (HOUR, Vec::new());
    for _ in 0..4 {
        let answer = scene.of_manager(Ok(replicas(&["eastus", "westus"])));
        let before = scene.dynamic.take(answer, &tags, at(now)).unwrap();
        scene
            .dynamic
            .refuse(before, "does not fit".to_owned(), at(now));
        let polled = &scene.dynamic.managers[&login_server()];
        assert_eq!(polled.health.confirmed, confirmed);
        waits.push(polled.poll.next_wake() - now);
        now = polled.poll.next_wake();
    }
    assert!(waits[3] > 2 * waits[0], "{waits:?}");
    assert!(!scene.names().contains("contoso.westus.data.azurecr.io"));
    assert!(scene.names().contains("contoso.eastus.data.azurecr.io"));
    assert_eq!(scene.failing().len(), 1);
}

#[test]
fn what_the_configuration_no_longer_calls_for_is_gone_with_it_and_strangers_are_not_heard() {
    let mut scene = Scene::new();
    let tags = newer_tags(&scene.sources.tags);
    scene.succeed(at(Duration::ZERO), &["eastus"], &tags);
    let bare = Sources::of_text("[[registry]]\nlogin-server = \"contoso.azurecr.io\"\n");
    let merged = bare.with(&scene.dynamic).unwrap();
    assert_eq!(merged.endpoints[0].len(), 1);
    assert_eq!(merged.tags.change_number, bare.tags.change_number);
    let late = [
        scene.of_manager(Ok(replicas(&["westus"]))),
        scene.of_url(Ok(new_file(&newer_tags(&tags)))),
    ];
    scene.dynamic.follow(&bare, Vec::new(), at(HOUR));
    for answer in late {
        assert!(scene.dynamic.take(answer, &tags, at(HOUR)).is_none());
    }
}

#[test]
fn the_same_sources_are_not_asked_anew_on_reload_and_another_url_keeps_the_last_word() {
    let mut scene = Scene::new();
    let tags = newer_tags(&scene.sources.tags);
    scene.succeed(at(Duration::ZERO), &["eastus"], &tags);
    let wake = scene.next_wake();
    scene.dynamic.follow(&sources(), Vec::new(), at(HOUR));
    assert_eq!(scene.next_wake(), wake);
    assert!(scene.dynamic.fetched.validator.is_some());
    let mut moved = sources();
    let other = Sources::of_text(
        "registry = []\n[protect]\nservice-tags-url = \"https://other.example.com/x\"\n",
    );
    moved.config.protect.service_tags_url = other.config.protect.service_tags_url;
    scene.dynamic.follow(&moved, Vec::new(), at(HOUR));
    assert!(scene.dynamic.fetched.validator.is_none());
    assert!(scene.dynamic.url.as_ref().unwrap().poll.is_due(HOUR));
    let in_force = moved.with(&scene.dynamic).unwrap().tags;
    assert_eq!(in_force.change_number, tags.change_number);
}

#[test]
fn what_was_kept_is_known_before_anybody_answers() {
    let mut scene = Scene::new();
    let tags = newer_tags(&scene.sources.tags);
    scene.succeed(at(Duration::ZERO), &["eastus"], &tags);
    let kept = scene.dynamic.persist(&scene.sources, at(HOUR));
    let mut next = Scene::new();
    next.dynamic
        .restore(&kept, &next.sources.config, at(Duration::ZERO));
    assert_eq!(next.names(), scene.names());
    let restored = next.sources.with(&next.dynamic).unwrap().tags;
    assert_eq!(
        (restored.change_number, restored.families),
        (tags.change_number, tags.families)
    );
}

#[test]
fn kept_tags_that_the_binarys_bundle_outdates_are_not_used_and_both_are_named() {
    let mut scene = Scene::new();
    let mut old = newer_tags(&scene.sources.tags);
    (old.change_number, old.origin) = (375, TagOrigin::Kept);
    old.date = Some(jiff::civil::date(2025, 10, 28));
    let kept = PersistedSources::new(BTreeMap::new(), Some(old), None);
    scene
        .dynamic
        .restore(&kept, &scene.sources.config, at(Duration::ZERO));
    let merged = scene.sources.with(&scene.dynamic).unwrap();
    assert_eq!(merged.tags.change_number, 403);
    let told = scene.dynamic.outdated().unwrap();
    for words in [
        "https://mirror.example.com/tags.json",
        "change 375, published about 2025-10-28",
        "change 403 or later, published 2026-06-22",
    ] {
        assert!(told.contains(words), "no {words:?} in {told}");
    }
    assert!(!told.contains("secret"), "{told}");
    let newer = newer_tags(&scene.sources.tags);
    let answer = scene.of_url(Ok(new_file(&newer)));
    let before = scene.dynamic.take(answer, &merged.tags, at(HOUR)).unwrap();
    scene.dynamic.accept(&before, at(HOUR));
    assert_eq!(scene.dynamic.outdated(), None);
}
