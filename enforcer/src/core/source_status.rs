//! The status of each source.

use jiff::Timestamp;

use super::alarm_kind::AlarmKind;
use super::snapshot::{Alarm, SourceStatus};
use crate::config::{Config, Registry};
use crate::name::Name;
use crate::now::Now;
use crate::sources::{DynamicSources, Failure, PolledSource, SourceHealth};
use crate::word_enum::word_enum;

word_enum! {
    /// A kind of source.
    pub enum SourceKind {
        /// A file with the endpoints of a registry.
        EndpointsFile => "endpoints-file",
        /// Azure Resource Manager.
        ResourceManager => "resource-manager",
        /// The search for replicas in DNS.
        DnsDiscovery => "dns-discovery",
        /// A file with service tags.
        ServiceTagsFile => "service-tags-file",
        /// A URL of service tags.
        ServiceTagsUrl => "service-tags-url",
        /// The Service Tag Discovery API.
        ServiceTagsApi => "service-tags-api",
    }
}

impl DynamicSources {
    /// Returns the status of every source of `config`.
    pub(super) fn statuses(&self, config: &Config, now: Now) -> Vec<SourceStatus> {
        let mut statuses = self.tags_statuses(config, now);
        for registry in &config.registries {
            let login_server = Some(&registry.login_server);
            if let Some((file, health)) = registry
                .endpoints_file
                .as_ref()
                .and_then(|file| self.files.get_key_value(file))
            {
                let file = file.display().to_string();
                statuses.push(status(
                    SourceKind::EndpointsFile,
                    file,
                    login_server,
                    health,
                    None,
                ));
            }
            let manager = self.managers.get(&registry.login_server);
            if let Some(polled) = manager {
                let (id, next) = (polled.source.to_string(), next(polled, now));
                let health = &polled.health;
                statuses.push(status(
                    SourceKind::ResourceManager,
                    id,
                    login_server,
                    health,
                    next,
                ));
            }
            if registry.discover {
                statuses.push(self.discovery_status(registry, now));
            }
        }
        statuses
    }

    fn tags_statuses(&self, config: &Config, now: Now) -> Vec<SourceStatus> {
        let file = config.protect.service_tags.as_ref();
        let file = file.and_then(|file| self.files.get_key_value(file));
        let file = file.map(|(file, health)| {
            let file = file.display().to_string();
            status(SourceKind::ServiceTagsFile, file, None, health, None)
        });
        let url = self.url.as_ref().map(|polled| {
            let next = next(polled, now);
            status(
                SourceKind::ServiceTagsUrl,
                polled.source.to_string(),
                None,
                &polled.health,
                next,
            )
        });
        let api = self.api.as_ref().map(|polled| {
            let next = next(polled, now);
            status(
                SourceKind::ServiceTagsApi,
                polled.source.clone(),
                None,
                &polled.health,
                next,
            )
        });
        file.into_iter().chain(url).chain(api).collect()
    }

    fn discovery_status(&self, registry: &Registry, now: Now) -> SourceStatus {
        let login_server = &registry.login_server;
        let replicas = self.discovery.replicas(login_server, now.since_start);
        let youngest = replicas.iter().map(|replica| replica.age).min();
        let health = SourceHealth {
            confirmed: youngest.map(|age| now.wall_at(now.since_start.saturating_sub(age))),
            failing: self.discovery.failing().map(|failing| Failure {
                since: now.wall_at(failing.since),
                message: failing.error.to_string(),
            }),
        };
        let next = now.wall_at(now.since_start + self.discovery.interval());
        let source = login_server.to_string();
        status(
            SourceKind::DnsDiscovery,
            source,
            Some(login_server),
            &health,
            Some(next),
        )
    }
}

fn status(
    kind: SourceKind,
    source: String,
    registry: Option<&Name>,
    health: &SourceHealth,
    next: Option<Timestamp>,
) -> SourceStatus {
    SourceStatus {
        kind: kind.word().to_owned(),
        source,
        registry: registry.cloned(),
        confirmed: health.confirmed,
        next,
        failing: health.failing.as_ref().map(alarm),
    }
}

/// Returns when a source is fetched next.
fn next<K: PartialEq, T: PartialEq>(polled: &PolledSource<K, T>, now: Now) -> Option<Timestamp> {
    Some(now.wall_at(polled.poll.next_wake()))
}

fn alarm(failure: &Failure) -> Alarm {
    Alarm {
        kind: AlarmKind::SourceFailing.word().to_owned(),
        since: failure.since,
        message: failure.message.clone(),
    }
}
