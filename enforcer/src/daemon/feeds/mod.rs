//! Sources that are asked or watched while the daemon runs: what each last said, since when it fails, and when it is asked next.

mod ask;
mod polled;
#[cfg(test)]
mod tests;
mod told;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

pub(super) use self::ask::{Fetch, Fetched};
pub(super) use self::polled::SOURCE_FAILING;
use self::polled::{Polled, Standing};
pub(super) use self::told::Clocks;
use super::kept::{Kept, KeptNames, endpoints};
use super::sources::{Found, Sources};
use crate::azure::endpoints::{Endpoint, Provenance};
use crate::azure::resource_manager::{AzureClient, Validator};
use crate::azure::tags::ApiTags;
use crate::azure::tags::check_against_bundle;
use crate::azure::{TagSnapshot, regions, required_tags};
use crate::config::{self, Config, HttpsUrl, Registry, ResourceId};
use crate::name::Name;
use crate::resolver::discovery::Discovery;

/// What the Service Tag Discovery API is called in alarms and errors.
const API: &str = "the Service Tag Discovery API";

/// The sources of names and prefixes that can change while the daemon runs.
pub(super) struct Feeds {
    pub(super) discovery: Discovery,
    files: BTreeMap<PathBuf, Standing>,
    managers: BTreeMap<Name, Polled<ResourceId, Vec<Endpoint>>>,
    url: Option<Polled<HttpsUrl, TagSnapshot>>,
    /// The file that was fetched last.
    fetched: FetchedFile,
    /// Why the service tags that an earlier run kept of the URL are not used.
    outdated: Option<String>,
    /// By subscription.
    api: Option<Polled<String, ApiTags>>,
    azure: Option<(config::Azure, Rc<AzureClient>)>,
    wanted: Vec<String>,
    seed: u64,
}

/// What a mirror calls the file that was fetched last, and why it was refused, if it was: it need not be fetched again for that.
#[derive(Default)]
struct FetchedFile {
    validator: Option<Validator>,
    refused: Option<String>,
}

impl Feeds {
    /// No sources yet; hosts with different seeds ask at different times.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            discovery: Discovery::new(seed),
            files: BTreeMap::new(),
            managers: BTreeMap::new(),
            url: None,
            fetched: FetchedFile::default(),
            outdated: None,
            api: None,
            azure: None,
            wanted: Vec::new(),
            seed,
        }
    }

    /// Follows what `sources` call for from now on. What a source said that was followed before stays.
    pub(super) fn follow(&mut self, sources: &Sources, now: Duration) {
        let config = &sources.config;
        let mut files = std::mem::take(&mut self.files);
        for file in config.watched_files() {
            let mut standing = files.remove(file).unwrap_or_default();
            standing.set(sources.given.unusable.get(file).cloned());
            self.files.insert(file.to_owned(), standing);
        }
        let is_same = |(asked, _): &&(config::Azure, _)| *asked == config.azure;
        let others = self.azure.as_ref().filter(is_same).is_none();
        let mut managers = std::mem::take(&mut self.managers);
        for registry in &config.registries {
            let Some(id) = registry.resource_id.clone() else {
                continue;
            };
            let login_server = registry.login_server.clone();
            let polled = Polled::new(id, config.azure.poll, self.seed);
            let polled = polled.after(managers.remove(&login_server), others);
            self.managers.insert(login_server, polled);
        }
        self.follow_tags(config, others);
        if others || !asks(config) {
            let azure = || Rc::new(AzureClient::new(&config.azure, config.protect.cloud));
            self.azure = asks(config).then(|| (config.azure.clone(), azure()));
        }
        self.search(sources, now);
    }

    /// `others`: another identity asks.
    fn follow_tags(&mut self, config: &Config, others: bool) {
        let protect = &config.protect;
        let every = protect.service_tags_poll;
        let wanted = required_tags(protect);
        let anew = wanted != self.wanted;
        self.wanted = wanted;
        let url = self.url.take();
        let of_url = url.as_ref().map(|polled| polled.source.clone());
        self.url = protect.service_tags_url.clone().map(|source| {
            if anew || of_url.as_ref() != Some(&source) {
                self.fetched = FetchedFile::default();
            }
            Polled::new(source, every, self.seed).after(url, anew)
        });
        let api = self.api.take();
        self.api = protect
            .service_tags_subscription
            .clone()
            .map(|source| Polled::new(source, every, self.seed).after(api, anew || others));
    }

    /// Takes other service tags: they may name other regions.
    pub(super) fn tags_changed(&mut self, sources: &Sources, now: Duration) {
        self.search(sources, now);
        self.discovery.tags_changed(now);
    }

    fn search(&mut self, sources: &Sources, now: Duration) {
        let config = &sources.config;
        let regions = regions::all(&sources.tags, &config.discovery.regions);
        let interval = config.discovery.interval;
        let cloud = config.protect.cloud;
        self.discovery
            .set(&config.registries, cloud, &regions, interval, now);
    }

    /// Takes what an earlier run kept.
    pub(super) fn restore(&mut self, kept: &Kept, config: &Config, now: Duration) {
        let cloud = config.protect.cloud;
        self.discovery
            .restore(&kept.replicas(), cloud, Timestamp::now(), now);
        for (login_server, polled) in &mut self.managers {
            let Some(names) = kept.of(login_server).map(|kept| &kept.manager) else {
                continue;
            };
            let names_of = endpoints(names, login_server, cloud, &Provenance::Manager);
            if !names_of.is_empty() {
                polled.restore(names_of, names.values().max().copied(), now);
            }
        }
        if let Some((polled, more)) = self.api.as_mut().zip(kept.more()) {
            polled.restore(more, None, now);
        }
        if let Some((polled, tags)) = self.url.as_mut().zip(kept.tags(&config.protect)) {
            match check_against_bundle(tags) {
                Ok(()) => polled.restore(tags.clone(), None, now),
                Err(fault) => {
                    let url = &polled.source;
                    self.outdated = Some(format!("{url}: {fault}; they are not used"));
                }
            }
        }
    }

    /// Why the service tags that an earlier run kept of the URL are not used, until it says others.
    pub(super) fn outdated(&self) -> Option<String> {
        self.outdated.clone().filter(|_| self.url.is_some())
    }

    /// What the next run should know.
    pub(super) fn keep(&self, sources: &Sources, now: Duration) -> Kept {
        let config = &sources.config;
        let mut replicas = self.discovery.persist(Timestamp::now(), now);
        let files = config.registries.iter().zip(sources.given.files());
        let names = files.map(|(registry, file)| {
            let login_server = &registry.login_server;
            let confirmed = registry.endpoints_file.as_ref();
            let confirmed = confirmed.and_then(|file| self.files.get(file)?.confirmed);
            let manager = self.managers.get(login_server);
            let kept = KeptNames {
                file: confirmed_at(file, confirmed),
                manager: manager.map_or_else(BTreeMap::new, |polled| {
                    confirmed_at(
                        polled.last().into_iter().flatten(),
                        polled.standing.confirmed,
                    )
                }),
                discovered: replicas.remove(login_server).unwrap_or_default(),
            };
            (login_server.clone(), kept)
        });
        let follows_tags = self.url.is_some() || config.protect.service_tags.is_some();
        let tags = follows_tags.then(|| self.base(config, &sources.given.tags).clone());
        let more = self.api.as_ref().and_then(Polled::last);
        Kept::new(names.collect(), tags, more)
    }

    /// Notes that a watched file was read, or why it cannot be used.
    pub(super) fn read(&mut self, file: &Path, error: Option<String>) {
        if let Some(standing) = self.files.get_mut(file) {
            standing.set(error);
        }
    }

    /// When [`Feeds::due`] next has something to ask, as time since the start.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        let managers = self.managers.values().map(|polled| polled.poll.next_wake());
        let url = self.url.iter().map(|polled| polled.poll.next_wake());
        let api = self.api.iter().map(|polled| polled.poll.next_wake());
        managers.chain(url).chain(api).min()
    }

    /// The hosts that are asked, which the enforcer opens for itself.
    pub(super) fn hosts(&self, config: &Config) -> Vec<Name> {
        let azure = self.azure.iter();
        azure.flat_map(|(_, azure)| azure.hosts(config)).collect()
    }

    /// The newest of the service tags that replace each other, where it has all that the others have.
    fn base<'a>(&'a self, config: &Config, given: &'a TagSnapshot) -> &'a TagSnapshot {
        let is_asked = config.protect.service_tags_url.is_some();
        let url = self.url.as_ref().filter(|_| is_asked);
        let newer = url.and_then(Polled::last).filter(|tags| {
            tags.cloud == given.cloud
                && tags.change_number > given.change_number
                && required_tags(&config.protect)
                    .iter()
                    .all(|tag| tags.families.contains_key(tag))
        });
        newer.unwrap_or(given)
    }
}

impl Found for Feeds {
    fn endpoints(&self, registry: &Registry) -> Vec<Endpoint> {
        let login_server = &registry.login_server;
        let manager = self.managers.get(login_server);
        let manager = manager.filter(|_| registry.resource_id.is_some());
        let told = manager.and_then(Polled::last);
        let mut endpoints = told.cloned().unwrap_or_default();
        let replicas = self.discovery.endpoints(login_server);
        endpoints.extend(replicas.filter(|_| registry.discover).cloned());
        endpoints
    }

    fn tags(&self, config: &Config, given: &TagSnapshot) -> TagSnapshot {
        let base = self.base(config, given);
        let is_asked = config.protect.service_tags_subscription.is_some();
        let api = self.api.as_ref().filter(|_| is_asked);
        match api.and_then(Polled::last) {
            Some(more) => base.with_added(more),
            None => base.clone(),
        }
    }
}

/// Whether `config` calls for anything that is asked over HTTPS.
fn asks(config: &Config) -> bool {
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
