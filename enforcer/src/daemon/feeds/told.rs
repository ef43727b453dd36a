//! What is told of the sources.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::polled::{Polled, SOURCE_FAILING, Standing};
use super::{API, Feeds};
use crate::azure::endpoints::Provenance;
use crate::config::{Config, Registry};
use crate::control::{Alarm, SourceStatus};
use crate::daemon::sources::Sources;
use crate::name::Name;

/// Wall times of moments since the start, and the present one.
pub(in crate::daemon) struct Clocks<'a> {
    /// The wall time of a moment since the start.
    pub(in crate::daemon) wall: &'a dyn Fn(Duration) -> Timestamp,
    /// Time since the start.
    pub(in crate::daemon) now: Duration,
}

impl Feeds {
    /// Every source of `config`.
    pub(in crate::daemon) fn statuses(
        &self,
        config: &Config,
        clocks: &Clocks<'_>,
    ) -> Vec<SourceStatus> {
        let mut statuses = self.tags_statuses(config, clocks);
        for registry in &config.registries {
            let login_server = Some(&registry.login_server);
            if let Some((file, standing)) = registry
                .endpoints_file
                .as_ref()
                .and_then(|file| self.files.get_key_value(file))
            {
                let file = file.display().to_string();
                statuses.push(status("endpoints-file", file, login_server, standing, None));
            }
            let manager = self.managers.get(&registry.login_server);
            if let Some(polled) = manager {
                let (id, next) = (polled.source.to_string(), clocks.next(polled));
                let standing = &polled.standing;
                statuses.push(status("resource-manager", id, login_server, standing, next));
            }
            if registry.discover {
                statuses.push(self.discovery_status(registry, clocks));
            }
        }
        statuses
    }

    fn tags_statuses(&self, config: &Config, clocks: &Clocks<'_>) -> Vec<SourceStatus> {
        let file = config.protect.service_tags.as_ref();
        let file = file.and_then(|file| self.files.get_key_value(file));
        let file = file.map(|(file, standing)| {
            let file = file.display().to_string();
            status("service-tags-file", file, None, standing, None)
        });
        let url = self.url.as_ref().map(|polled| {
            let next = clocks.next(polled);
            status(
                "service-tags-url",
                polled.source.to_string(),
                None,
                &polled.standing,
                next,
            )
        });
        let api = self.api.as_ref().map(|polled| {
            let next = clocks.next(polled);
            status(
                "service-tags-api",
                polled.source.clone(),
                None,
                &polled.standing,
                next,
            )
        });
        file.into_iter().chain(url).chain(api).collect()
    }

    fn discovery_status(&self, registry: &Registry, clocks: &Clocks<'_>) -> SourceStatus {
        let login_server = &registry.login_server;
        let replicas = self.discovery.replicas(login_server, clocks.now);
        let youngest = replicas.iter().map(|replica| replica.age).min();
        let standing = Standing {
            confirmed: youngest.map(|age| (clocks.wall)(clocks.now.saturating_sub(age))),
            failing: self.discovery.failing().map(|failing| Alarm {
                kind: SOURCE_FAILING.to_owned(),
                since: (clocks.wall)(failing.since),
                message: failing.error.to_string(),
            }),
        };
        let next = (clocks.wall)(clocks.now + self.discovery.interval());
        let source = login_server.to_string();
        status(
            "dns-discovery",
            source,
            Some(login_server),
            &standing,
            Some(next),
        )
    }

    /// Every source by what it is, and why it fails, if it does.
    pub(in crate::daemon) fn standing(&self) -> BTreeMap<String, Option<String>> {
        let files = self.files.iter();
        let files = files.map(|(file, standing)| (file.display().to_string(), standing));
        let managers = self.managers.iter().map(|(login_server, polled)| {
            let what = format!("Azure Resource Manager, asked for {login_server}");
            (what, &polled.standing)
        });
        let url = self.url.iter();
        let url = url.map(|polled| (polled.source.to_string(), &polled.standing));
        let api = self.api.iter();
        let api = api.map(|polled| (API.to_owned(), &polled.standing));
        let standings = files.chain(managers).chain(url).chain(api);
        let standings = standings.map(|(what, standing)| {
            let failing = standing.failing.as_ref();
            (what, failing.map(|failing| failing.message.clone()))
        });
        let search = self.discovery.failing();
        let search = search.map(|failing| failing.error.to_string());
        let all = standings.chain([("the search in DNS".to_owned(), search)]);
        let told = all.map(|(what, failing)| {
            let message =
                failing.map(|why| format!("{what}: {why}; what it said before stays in force"));
            (what, message)
        });
        told.collect()
    }

    /// Where a `name` comes from that the registry at `index` of the configuration has, in words, and when that was last confirmed.
    pub(in crate::daemon) fn provenance(
        &self,
        sources: &Sources,
        index: usize,
        name: &Name,
        now: Duration,
    ) -> (String, Option<Timestamp>) {
        let Some(registry) = sources.config.registries.get(index) else {
            return (String::new(), None);
        };
        let given = sources.given.names().nth(index).into_iter().flatten();
        let manager = self.managers.get(&registry.login_server);
        let told = manager.and_then(Polled::last).into_iter().flatten();
        let (mut origins, mut confirmed) = (Vec::new(), None);
        for endpoint in given.chain(told).filter(|endpoint| endpoint.name == *name) {
            confirmed = confirmed.max(match &endpoint.origin {
                Provenance::File(file) => self.files.get(file).and_then(|file| file.confirmed),
                Provenance::Manager => manager.and_then(|polled| polled.standing.confirmed),
                Provenance::Configured | Provenance::Region(_) | Provenance::Discovered(_) => None,
            });
            origins.push(endpoint.origin.to_string());
        }
        let replicas = self.discovery.replicas(&registry.login_server, now);
        if let Some(replica) = replicas
            .iter()
            .find(|replica| replica.endpoint.name == *name)
        {
            let seen = SignedDuration::try_from(replica.age).unwrap_or(SignedDuration::MAX);
            confirmed = confirmed.max(Timestamp::now().checked_sub(seen).ok());
            origins.push(replica.endpoint.origin.to_string());
        }
        (origins.join(", "), confirmed)
    }
}

impl Clocks<'_> {
    fn next<K: PartialEq, T: PartialEq>(&self, polled: &Polled<K, T>) -> Option<Timestamp> {
        Some((self.wall)(polled.poll.next_wake()))
    }
}

fn status(
    kind: &str,
    source: String,
    registry: Option<&Name>,
    standing: &Standing,
    next: Option<Timestamp>,
) -> SourceStatus {
    SourceStatus {
        kind: kind.to_owned(),
        source,
        registry: registry.cloned(),
        confirmed: standing.confirmed,
        next,
        failing: standing.failing.clone(),
    }
}
