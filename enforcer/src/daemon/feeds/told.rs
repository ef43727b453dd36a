//! What is told of the sources.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Feeds;
use super::polled::{Polled, Standing};
use crate::azure::endpoints::Origin;
use crate::config::Config;
use crate::control::SourceStatus;
use crate::daemon::sources::Sources;
use crate::name::Name;

/// What a source is, in the words of [`SourceStatus`].
struct What<'a> {
    kind: &'a str,
    source: String,
    registry: Option<&'a Name>,
}

impl Feeds {
    /// Every source of `config`; `wall` tells the wall time of a moment since the start.
    pub(in crate::daemon) fn statuses(
        &self,
        config: &Config,
        wall: &dyn Fn(Duration) -> Timestamp,
    ) -> Vec<SourceStatus> {
        let mut statuses = Vec::new();
        if let Some(file) = &config.protect.service_tags {
            let source = file.display().to_string();
            let what = What {
                kind: "service-tags-file",
                source,
                registry: None,
            };
            statuses.extend(
                self.files
                    .get(file)
                    .map(|standing| what.status(standing, None)),
            );
        }
        if let Some((url, polled)) = &self.url {
            let what = What {
                kind: "service-tags-url",
                source: url.to_string(),
                registry: None,
            };
            statuses.push(what.polled(polled, wall));
        }
        if let Some((subscription, polled)) = &self.api {
            let what = What {
                kind: "service-tags-api",
                source: subscription.clone(),
                registry: None,
            };
            statuses.push(what.polled(polled, wall));
        }
        for registry in &config.registries {
            let of = Some(&registry.login_server);
            if let Some(file) = &registry.endpoints_file {
                let source = file.display().to_string();
                let what = What {
                    kind: "endpoints-file",
                    source,
                    registry: of,
                };
                statuses.extend(
                    self.files
                        .get(file)
                        .map(|standing| what.status(standing, None)),
                );
            }
            let manager = self.managers.get(&registry.login_server);
            if let Some((polled, id)) = manager.zip(registry.resource_id.as_ref()) {
                let what = What {
                    kind: "resource-manager",
                    source: id.to_string(),
                    registry: of,
                };
                statuses.push(what.polled(polled, wall));
            }
        }
        statuses
    }

    /// Why sources fail, by what they are.
    pub(in crate::daemon) fn failing(&self) -> BTreeMap<String, String> {
        let files = self.files.iter();
        let files = files.map(|(file, standing)| (file.display().to_string(), standing));
        let managers = self.managers.iter().map(|(login_server, polled)| {
            let what = format!("Azure Resource Manager, asked for {login_server}");
            (what, &polled.standing)
        });
        let url = self
            .url
            .iter()
            .map(|(url, polled)| (url.to_string(), &polled.standing));
        let api = self.api.iter();
        let api =
            api.map(|(_, polled)| ("the Service Tag Discovery API".to_owned(), &polled.standing));
        let all = files.chain(managers).chain(url).chain(api);
        all.filter_map(|(what, standing)| {
            let failing = standing.failing.as_ref()?;
            let message = format!(
                "{what}: {}; what it said before stays in force",
                failing.message
            );
            Some((what, message))
        })
        .collect()
    }

    /// Where a registry's `name` comes from, in words, and when that was last confirmed.
    pub(in crate::daemon) fn provenance(
        &self,
        sources: &Sources,
        index: usize,
        name: &Name,
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
                Origin::File(file) => self.files.get(file).and_then(|file| file.confirmed),
                Origin::Manager => manager.and_then(|polled| polled.standing.confirmed),
                Origin::Configured | Origin::Region(_) => None,
            });
            let origin = endpoint.origin.to_string();
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        (origins.join(", "), confirmed)
    }
}

impl What<'_> {
    fn status(self, standing: &Standing, next: Option<Timestamp>) -> SourceStatus {
        SourceStatus {
            kind: self.kind.to_owned(),
            source: self.source,
            registry: self.registry.cloned(),
            confirmed: standing.confirmed,
            next,
            failing: standing.failing.clone(),
        }
    }

    fn polled<T: PartialEq>(
        self,
        polled: &Polled<T>,
        wall: &dyn Fn(Duration) -> Timestamp,
    ) -> SourceStatus {
        self.status(&polled.standing, Some(wall(polled.poll.next_wake())))
    }
}
