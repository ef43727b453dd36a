//! Sources that are polled or watched while the daemon runs: the last answer, the failure and the next poll of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::Sources;
use super::persisted::{PersistedNames, PersistedSources, endpoints};
use super::polled::{PolledSource, SourceHealth};
use crate::azure::endpoints::{Endpoint, Provenance};
use crate::azure::resource_manager::Validator;
use crate::azure::tags::{ApiTags, check_against_bundle};
use crate::azure::{TagSnapshot, regions, required_tags};
use crate::config::{self, Config, HttpsUrl, Registry, ResourceId};
use crate::name::Name;
use crate::now::Now;
use crate::resolver::discovery::Discovery;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

/// Name of the Service Tag Discovery API in alarms and errors.
pub(super) const API: &str = "the Service Tag Discovery API";

/// Sources of names and prefixes that can change while the daemon runs.
#[derive(Debug)]
pub(crate) struct DynamicSources {
    pub(crate) discovery: Discovery,
    pub(crate) files: BTreeMap<PathBuf, SourceHealth>,
    /// Azure Resource Manager, by login server.
    pub(crate) managers: BTreeMap<Name, PolledSource<ResourceId, Vec<Endpoint>>>,
    pub(crate) url: Option<PolledSource<HttpsUrl, TagSnapshot>>,
    /// The service tags file that was fetched last.
    pub(super) fetched: FetchedFile,
    /// Why the persisted service tags of the URL are not used.
    pub(super) outdated: Option<String>,
    /// The Service Tag Discovery API, by subscription.
    pub(crate) api: Option<PolledSource<String, ApiTags>>,
    /// The identity that fetches; `None` if nothing is fetched over HTTPS.
    azure: Option<config::Azure>,
    /// The hosts that sources are fetched from.
    hosts: Vec<Name>,
    /// The service tags that the configuration requires.
    pub(super) wanted: Vec<String>,
    seed: u64,
}

/// Validator of the file that was fetched last, and why the file was refused, if it was: a refused file is not fetched again.
#[derive(Debug, Default)]
pub(super) struct FetchedFile {
    pub(super) validator: Option<Validator>,
    pub(super) refused: Option<String>,
}

impl DynamicSources {
    /// Returns no sources; hosts with different seeds poll at different times.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            discovery: Discovery::new(seed),
            files: BTreeMap::new(),
            managers: BTreeMap::new(),
            url: None,
            fetched: FetchedFile::default(),
            outdated: None,
            api: None,
            azure: None,
            hosts: Vec::new(),
            wanted: Vec::new(),
            seed,
        }
    }

    /// Follows the sources that `sources` configure, at these `hosts`. The last answers of sources that were followed before stay.
    pub(crate) fn follow(&mut self, sources: &Sources, hosts: Vec<Name>, now: Now) {
        let config = &sources.config;
        let mut files = std::mem::take(&mut self.files);
        for file in config.watched_files() {
            let mut health = files.remove(file).unwrap_or_default();
            health.set(sources.given.unusable.get(file).cloned(), now);
            self.files.insert(file.to_owned(), health);
        }
        let is_new_identity = self.azure.as_ref() != Some(&config.azure);
        let mut managers = std::mem::take(&mut self.managers);
        for registry in &config.registries {
            let Some(id) = registry.resource_id.clone() else {
                continue;
            };
            let login_server = registry.login_server.clone();
            let polled = PolledSource::new(id, config.azure.poll, self.seed);
            let polled = polled.after(managers.remove(&login_server), is_new_identity);
            self.managers.insert(login_server, polled);
        }
        self.follow_tags(config, is_new_identity);
        self.azure = fetches(config).then(|| config.azure.clone());
        self.hosts = hosts;
        self.search(sources, now);
    }

    /// Follows the sources of service tags; `is_new_identity`: the identity that fetches changed.
    fn follow_tags(&mut self, config: &Config, is_new_identity: bool) {
        let protect = &config.protect;
        let every = protect.service_tags_poll;
        let wanted = required_tags(protect);
        let is_new_demand = wanted != self.wanted;
        self.wanted = wanted;
        let url = self.url.take();
        let last_url = url.as_ref().map(|polled| polled.source.clone());
        self.url = protect.service_tags_url.clone().map(|source| {
            if is_new_demand || last_url.as_ref() != Some(&source) {
                self.fetched = FetchedFile::default();
            }
            PolledSource::new(source, every, self.seed).after(url, is_new_demand)
        });
        let api = self.api.take();
        self.api = protect.service_tags_subscription.clone().map(|source| {
            PolledSource::new(source, every, self.seed).after(api, is_new_demand || is_new_identity)
        });
    }

    /// Repeats the DNS search, since the service tags changed and may name other regions.
    pub(crate) fn tags_changed(&mut self, sources: &Sources, now: Now) {
        self.search(sources, now);
        self.discovery.tags_changed(now.since_start);
    }

    fn search(&mut self, sources: &Sources, now: Now) {
        let config = &sources.config;
        let regions = regions::all(&sources.tags, &config.discovery.regions);
        let interval = config.discovery.interval;
        let cloud = config.protect.cloud;
        self.discovery.set(
            &config.registries,
            cloud,
            &regions,
            interval,
            now.since_start,
        );
    }

    /// Restores the answers that an earlier run persisted.
    pub(crate) fn restore(&mut self, persisted: &PersistedSources, config: &Config, now: Now) {
        let cloud = config.protect.cloud;
        self.discovery
            .restore(&persisted.replicas(), cloud, now.wall, now.since_start);
        for (login_server, polled) in &mut self.managers {
            let Some(names) = persisted.of(login_server).map(|names| &names.manager) else {
                continue;
            };
            let endpoints = endpoints(names, login_server, cloud, &Provenance::Manager);
            if !endpoints.is_empty() {
                polled.restore(endpoints, names.values().max().copied(), now);
            }
        }
        if let Some((polled, more)) = self.api.as_mut().zip(persisted.more()) {
            polled.restore(more, None, now);
        }
        if let Some((polled, tags)) = self.url.as_mut().zip(persisted.tags(&config.protect)) {
            match check_against_bundle(tags) {
                Ok(()) => polled.restore(tags.clone(), None, now),
                Err(fault) => {
                    let url = &polled.source;
                    self.outdated = Some(format!("{url}: {fault}; they are not used"));
                }
            }
        }
    }

    /// Returns why the persisted service tags of the URL are not used, until it serves others.
    pub(crate) fn outdated(&self) -> Option<String> {
        self.outdated.clone().filter(|_| self.url.is_some())
    }

    /// Returns the answers that the next run restores.
    pub(crate) fn persist(&self, sources: &Sources, now: Now) -> PersistedSources {
        let config = &sources.config;
        let mut replicas = self.discovery.persist(now.wall, now.since_start);
        let files = config.registries.iter().zip(sources.given.files());
        let names = files.map(|(registry, file)| {
            let login_server = &registry.login_server;
            let confirmed = registry.endpoints_file.as_ref();
            let confirmed = confirmed.and_then(|file| self.files.get(file)?.confirmed);
            let manager = self.managers.get(login_server);
            let names = PersistedNames {
                file: confirmed_at(file, confirmed),
                manager: manager.map_or_else(BTreeMap::new, |polled| {
                    confirmed_at(polled.last().into_iter().flatten(), polled.health.confirmed)
                }),
                discovered: replicas.remove(login_server).unwrap_or_default(),
            };
            (login_server.clone(), names)
        });
        let follows_tags = self.url.is_some() || config.protect.service_tags.is_some();
        let tags = follows_tags.then(|| self.base(config, &sources.given.tags).clone());
        let more = self.api.as_ref().and_then(PolledSource::last);
        PersistedSources::new(names.collect(), tags, more)
    }

    /// Records that a watched file was read, or why it cannot be used.
    pub(crate) fn read(&mut self, file: &Path, error: Option<String>, now: Now) {
        if let Some(health) = self.files.get_mut(file) {
            health.set(error, now);
        }
    }

    /// Returns when [`DynamicSources::due`] next has a request, as time since the start.
    pub(crate) fn next_wake(&self) -> Option<Duration> {
        let managers = self.managers.values().map(|polled| polled.poll.next_wake());
        let url = self.url.iter().map(|polled| polled.poll.next_wake());
        let api = self.api.iter().map(|polled| polled.poll.next_wake());
        managers.chain(url).chain(api).min()
    }

    /// Returns the hosts that sources are fetched from; the enforcer may reach them itself.
    pub(crate) fn hosts(&self) -> &[Name] {
        &self.hosts
    }

    /// Returns the tags of the URL if they are newer than `given` and complete, or else `given`.
    fn base<'a>(&'a self, config: &Config, given: &'a TagSnapshot) -> &'a TagSnapshot {
        let is_asked = config.protect.service_tags_url.is_some();
        let url = self.url.as_ref().filter(|_| is_asked);
        let newer = url.and_then(PolledSource::last).filter(|tags| {
            tags.cloud == given.cloud
                && tags.change_number > given.change_number
                && required_tags(&config.protect)
                    .iter()
                    .all(|tag| tags.families.contains_key(tag))
        });
        newer.unwrap_or(given)
    }
}

/// Names and tags that the sources give now.
impl DynamicSources {
    /// Returns the names of `registry` from the sources that its configuration enables.
    pub(super) fn endpoints(&self, registry: &Registry) -> Vec<Endpoint> {
        let login_server = &registry.login_server;
        let manager = self.managers.get(login_server);
        let manager = manager.filter(|_| registry.resource_id.is_some());
        let listed = manager.and_then(PolledSource::last);
        let mut endpoints = listed.cloned().unwrap_or_default();
        let replicas = self.discovery.endpoints(login_server);
        endpoints.extend(replicas.filter(|_| registry.discover).cloned());
        endpoints
    }

    /// Returns the service tags in force, if `given` are those of the file or the bundle.
    pub(super) fn tags(&self, config: &Config, given: &TagSnapshot) -> TagSnapshot {
        let base = self.base(config, given);
        let is_asked = config.protect.service_tags_subscription.is_some();
        let api = self.api.as_ref().filter(|_| is_asked);
        match api.and_then(PolledSource::last) {
            Some(more) => base.with_added(more),
            None => base.clone(),
        }
    }
}

/// Returns whether `config` requires anything that is fetched over HTTPS.
pub(crate) fn fetches(config: &Config) -> bool {
    config
        .registries
        .iter()
        .any(|registry| registry.resource_id.is_some())
        || config.protect.service_tags_url.is_some()
        || config.protect.service_tags_subscription.is_some()
}

fn confirmed_at<'a>(
    endpoints: impl IntoIterator<Item = &'a Endpoint>,
    confirmed: Option<Timestamp>,
) -> BTreeMap<Name, Timestamp> {
    let confirmed = confirmed.unwrap_or(Timestamp::UNIX_EPOCH);
    let names = endpoints.into_iter();
    names
        .map(|endpoint| (endpoint.name.clone(), confirmed))
        .collect()
}
