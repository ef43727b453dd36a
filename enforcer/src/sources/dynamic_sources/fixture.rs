//! Sources for tests, with answers and failures of each.

use std::collections::BTreeSet;

use hyper::StatusCode;

use super::*;
use crate::azure::resource_manager::{FetchError, FetchProblem, FetchTarget, FetchedTags};
use crate::azure::{PrefixSet, endpoints::EndpointError};
use crate::config::STORAGE_TAG;
use crate::sources::Fetched;

pub(super) fn at(since_start: Duration) -> Now {
    Now::after(since_start)
}

pub(super) const HOUR: Duration = Duration::from_hours(1);
const GUID: &str = "00000000-0000-0000-0000-000000000000";

/// Returns sources with a registry in Azure and service tags from Azure and a mirror.
pub(super) fn sources() -> Sources {
    Sources::of_text(&format!(
        "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\n\
         resource-id = \"/subscriptions/{GUID}/resourceGroups/plant/providers/Microsoft.ContainerRegistry/registries/contoso\"\n\
         [protect]\nservice-tags-url = \"https://mirror.example.com/tags.json?sig=secret\"\nservice-tags-subscription = \"{GUID}\"\n"
    ))
}

pub(super) fn login_server() -> Name {
    "contoso.azurecr.io".parse().unwrap()
}

/// Returns Resource Manager's names of a registry with a replica in each of `regions`.
pub(super) fn replicas(regions: &[&str]) -> Vec<Endpoint> {
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

/// Returns newer tags than `given`, with one more storage prefix.
pub(super) fn newer_tags(given: &TagSnapshot) -> TagSnapshot {
    let mut tags = given.clone();
    // A change number just above the bundle's lower bound may have an older date.
    tags.change_number += 10;
    let more: PrefixSet = ["203.0.113.0/24".parse().unwrap()].into_iter().collect();
    let storage = tags.families.get_mut(STORAGE_TAG).unwrap();
    *storage = storage.union(&more);
    tags
}

/// Returns a failure of the kind that `number` selects; successive numbers cover every kind.
fn failure(target: &FetchTarget, number: usize) -> FetchError {
    let statuses = [401, 403, 404, 429, 500, 503];
    if let Some(status) = statuses.get(number % (statuses.len() + 2)) {
        let status = StatusCode::from_u16(*status).unwrap();
        let retry_after =
            (status == StatusCode::TOO_MANY_REQUESTS).then(|| Duration::from_secs(90));
        return target.failed(FetchProblem::Refused {
            status,
            identity: None,
            retry_after,
        });
    }
    if number.is_multiple_of(2) {
        return target.failed(FetchProblem::Malformed(
            "EOF while parsing a string".to_owned(),
        ));
    }
    let file = PathBuf::from("answer");
    target.failed(EndpointError::NoDataEndpoint {
        file,
        registry: "contoso".to_owned(),
    })
}

pub(super) fn new_file(tags: &TagSnapshot) -> FetchedTags {
    FetchedTags::New {
        tags: Box::new(tags.clone()),
        validator: Some(Validator::Etag("\"1\"".to_owned())),
    }
}

pub(super) struct Fixture {
    pub(super) sources: Sources,
    pub(super) dynamic: DynamicSources,
    targets: [FetchTarget; 3],
}

impl Fixture {
    pub(super) fn new() -> Self {
        let sources = sources();
        let mut dynamic = DynamicSources::new(7);
        dynamic.follow(&sources, Vec::new(), at(Duration::ZERO));
        let id = sources.config.registries[0].resource_id.clone().unwrap();
        let targets = [
            FetchTarget::Registry(id),
            FetchTarget::TagsFile("https://mirror.example.com/tags.json".to_owned()),
            FetchTarget::ServiceTags(GUID.to_owned()),
        ];
        Self {
            sources,
            dynamic,
            targets,
        }
    }

    /// Starts the polls that are due at `now`; returns whether the manager, the URL and the API are due.
    fn start_due(&mut self, now: Now) -> [bool; 3] {
        let url = self.dynamic.url.as_mut().unwrap().starts(now);
        let api = self.dynamic.api.as_mut().unwrap().starts(now);
        let manager = self.dynamic.managers.get_mut(&login_server()).unwrap();
        [manager.starts(now), url, api]
    }

    pub(super) fn of_manager(&self, answer: Result<Vec<Endpoint>, FetchError>) -> Fetched {
        let id = self.sources.config.registries[0].resource_id.clone();
        Fetched::Registry(login_server(), id.unwrap(), answer)
    }

    pub(super) fn of_url(&self, answer: Result<FetchedTags, FetchError>) -> Fetched {
        let url = self.sources.config.protect.service_tags_url.clone();
        Fetched::Url(url.unwrap(), answer)
    }

    /// Takes an answer at `now` and accepts it.
    fn take(&mut self, answer: Fetched, now: Now) {
        if let Some(before) = self.dynamic.take(answer, &self.sources.tags, now) {
            self.dynamic.accept(&before, now);
        }
    }

    /// Fails the polls that are due at `now`; returns their number.
    pub(super) fn fail(&mut self, now: Now, number: usize) -> usize {
        let [manager, url, api] = self.start_due(now);
        let [of_manager, of_url, of_api] = &self.targets;
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

    pub(super) fn succeed(&mut self, now: Now, regions: &[&str], tags: &TagSnapshot) {
        assert_eq!(self.start_due(now), [true; 3]);
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

    pub(super) fn failing(&self) -> BTreeMap<String, String> {
        let sources = self.dynamic.failures().into_iter();
        let failing = sources.filter_map(|(what, failing)| Some((what, failing?)));
        failing.collect()
    }

    pub(super) fn names(&self) -> BTreeSet<String> {
        let merged = self.sources.with(&self.dynamic).unwrap();
        let names = merged.endpoints.into_iter().flatten();
        names.map(|endpoint| endpoint.name.to_string()).collect()
    }

    pub(super) fn next_wake(&self) -> Duration {
        self.dynamic.next_wake().unwrap()
    }
}
