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
use crate::azure::endpoints::{Endpoint, Origin};
use crate::azure::manager::{Azure, MoreTags, Validator};
use crate::azure::{TagSnapshot, regions};
use crate::config::{Config, HttpsUrl};
use crate::name::Name;
use crate::resolver::discovery::Discovery;

/// What the Service Tag Discovery API is called in alarms and errors.
const API: &str = "the Service Tag Discovery API";

/// The sources of names and prefixes that can change while the daemon runs.
pub(super) struct Feeds {
    pub(super) discovery: Discovery,
    files: BTreeMap<PathBuf, Standing>,
    managers: BTreeMap<Name, Polled<Vec<Endpoint>>>,
    url: Option<(HttpsUrl, Polled<TagSnapshot>)>,
    /// What stands for the file that was fetched last.
    validator: Option<Validator>,
    api: Option<(String, Polled<MoreTags>)>,
    azure: Option<Rc<Azure>>,
    seed: u64,
}

impl Feeds {
    /// No sources yet; hosts with different seeds ask at different times.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            discovery: Discovery::new(seed),
            files: BTreeMap::new(),
            managers: BTreeMap::new(),
            url: None,
            validator: None,
            api: None,
            azure: None,
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
        let mut managers = std::mem::take(&mut self.managers);
        let asked = config.registries.iter();
        for registry in asked.filter(|registry| registry.resource_id.is_some()) {
            let name = registry.login_server.clone();
            let said = managers.remove(&name).and_then(Polled::into_last);
            let polled = Polled::new(config.azure.poll, self.seed, said);
            self.managers.insert(name, polled);
        }
        let every = config.protect.service_tags_poll;
        let url = self.url.take();
        self.url = config.protect.service_tags_url.clone().map(|wanted| {
            let same = url.filter(|(url, _)| *url == wanted);
            let said = same.and_then(|(_, polled)| polled.into_last());
            (wanted, Polled::new(every, self.seed, said))
        });
        self.validator = None;
        let api = self.api.take();
        self.api = config
            .protect
            .service_tags_subscription
            .clone()
            .map(|wanted| {
                let said = api.and_then(|(_, polled)| polled.into_last());
                (wanted, Polled::new(every, self.seed, said))
            });
        self.search(sources, now);
        self.azure = asks(config).then(|| Rc::new(Azure::new(&config.azure, config.protect.cloud)));
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
            let names_of = endpoints(names, login_server, cloud, &Origin::Manager);
            if !names_of.is_empty() {
                polled.restore(names_of, names.values().max().copied());
                polled.poll.spread(now);
            }
        }
        if let (Some((_, polled)), Some(more)) = (&mut self.api, kept.more()) {
            polled.restore(more, None);
        }
        if let (Some((_, polled)), Some(tags)) = (&mut self.url, kept.tags(&config.protect)) {
            polled.restore(tags.clone(), None);
        }
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
        let tags = follows_tags.then(|| self.base(&sources.given.tags).clone());
        let more = self.api.as_ref().and_then(|(_, polled)| polled.last());
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
        let url = self.url.iter().map(|(_, polled)| polled.poll.next_wake());
        let api = self.api.iter().map(|(_, polled)| polled.poll.next_wake());
        managers.chain(url).chain(api).min()
    }

    /// The hosts that are asked, which the enforcer opens for itself.
    pub(super) fn hosts(&self, config: &Config) -> Vec<Name> {
        let azure = self.azure.iter();
        azure.flat_map(|azure| azure.hosts(config)).collect()
    }

    /// The newest of the service tags that replace each other.
    fn base<'a>(&'a self, given: &'a TagSnapshot) -> &'a TagSnapshot {
        let url = self.url.as_ref().and_then(|(_, polled)| polled.last());
        let newer = url
            .filter(|tags| tags.cloud == given.cloud && tags.change_number > given.change_number);
        newer.unwrap_or(given)
    }
}

impl Found for Feeds {
    fn endpoints(&self, login_server: &Name) -> Vec<Endpoint> {
        let manager = self.managers.get(login_server).and_then(Polled::last);
        let mut endpoints = manager.cloned().unwrap_or_default();
        endpoints.extend(self.discovery.endpoints(login_server).cloned());
        endpoints
    }

    fn tags(&self, given: &TagSnapshot) -> anyhow::Result<TagSnapshot> {
        let base = self.base(given);
        match self.api.as_ref().and_then(|(_, polled)| polled.last()) {
            Some(more) => Ok(base.with_added(more)),
            None => Ok(base.clone()),
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
