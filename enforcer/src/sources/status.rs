//! Failures of sources, and the provenance of names.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Sources;
use super::dynamic_sources::{API, DynamicSources};
use super::polled::PolledSource;
use crate::azure::endpoints::Provenance;
use crate::name::Name;
use crate::now::Now;

impl DynamicSources {
    /// Returns every source by its description, with its failure, if any.
    pub(crate) fn failures(&self) -> BTreeMap<String, Option<String>> {
        let files = self.files.iter();
        let files = files.map(|(file, health)| (file.display().to_string(), health));
        let managers = self.managers.iter().map(|(login_server, polled)| {
            let what = format!("Azure Resource Manager, asked for {login_server}");
            (what, &polled.health)
        });
        let url = self.url.iter();
        let url = url.map(|polled| (polled.source.to_string(), &polled.health));
        let api = self.api.iter();
        let api = api.map(|polled| (API.to_owned(), &polled.health));
        let healths = files.chain(managers).chain(url).chain(api);
        let failures = healths.map(|(what, health)| {
            let failing = health.failing.as_ref();
            (what, failing.map(|failing| failing.message.clone()))
        });
        let search = self.discovery.failing();
        let search = search.map(|failing| failing.error.to_string());
        let all = failures.chain([("the search in DNS".to_owned(), search)]);
        let messages = all.map(|(what, failing)| {
            let message =
                failing.map(|why| format!("{what}: {why}; what it said before stays in force"));
            (what, message)
        });
        messages.collect()
    }

    /// Returns where `name` of the registry at `index` of the configuration comes from, in words, and the time of its last confirmation.
    pub(crate) fn provenance(
        &self,
        sources: &Sources,
        index: usize,
        name: &Name,
        now: Now,
    ) -> (String, Option<Timestamp>) {
        let Some(registry) = sources.config.registries.get(index) else {
            return (String::new(), None);
        };
        let given = sources.given.names().nth(index).into_iter().flatten();
        let manager = self.managers.get(&registry.login_server);
        let listed = manager.and_then(PolledSource::last).into_iter().flatten();
        let (mut origins, mut confirmed) = (Vec::new(), None);
        for endpoint in given
            .chain(listed)
            .filter(|endpoint| endpoint.name == *name)
        {
            confirmed = confirmed.max(match &endpoint.origin {
                Provenance::File(file) => self.files.get(file).and_then(|file| file.confirmed),
                Provenance::Manager => manager.and_then(|polled| polled.health.confirmed),
                Provenance::Configured | Provenance::Region(_) | Provenance::Discovered(_) => None,
            });
            origins.push(endpoint.origin.to_string());
        }
        let replicas = self
            .discovery
            .replicas(&registry.login_server, now.since_start);
        if let Some(replica) = replicas
            .iter()
            .find(|replica| replica.endpoint.name == *name)
        {
            confirmed = confirmed.max(Some(now.wall_before(replica.age)));
            origins.push(replica.endpoint.origin.to_string());
        }
        (origins.join(", "), confirmed)
    }
}
