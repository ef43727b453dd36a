//! The last answers of sources, as persisted in the state directory: used at a start with a damaged file or without a network.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::azure::endpoints::{Endpoint, Provenance};
use crate::azure::tags::ApiTags;
use crate::azure::{TagSnapshot, required_tags};
use crate::config::{Cloud, Protect, Registry};
use crate::name::Name;
use crate::state::Replicas;

/// The last answers of sources.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PersistedSources {
    pub(super) names: BTreeMap<Name, PersistedNames>,
    pub(super) tags: Option<TagSnapshot>,
    pub(super) more: Option<TagSnapshot>,
}

/// The names of one registry by source, each with the time of its last confirmation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct PersistedNames {
    /// Names from its endpoints file.
    pub(crate) file: BTreeMap<Name, Timestamp>,
    /// Names from Azure Resource Manager.
    pub(crate) manager: BTreeMap<Name, Timestamp>,
    /// Regions of the replicas found in DNS.
    pub(crate) discovered: BTreeMap<String, Timestamp>,
}

impl PersistedSources {
    /// Returns these names and tags, with the additions of the Discovery API.
    pub(crate) fn new(
        names: BTreeMap<Name, PersistedNames>,
        tags: Option<TagSnapshot>,
        more: Option<&ApiTags>,
    ) -> Self {
        let more = more.map(ApiTags::to_snapshot);
        Self { names, tags, more }
    }

    /// Returns the additions of the Service Tag Discovery API.
    pub(crate) fn more(&self) -> Option<ApiTags> {
        self.more.clone().map(ApiTags::from)
    }

    /// Returns the service tags, if they have every tag that `protect` requires.
    pub(crate) fn tags(&self, protect: &Protect) -> Option<&TagSnapshot> {
        let has_all = |tags: &&TagSnapshot| {
            tags.cloud == protect.cloud
                && required_tags(protect)
                    .iter()
                    .all(|tag| tags.families.contains_key(tag))
        };
        self.tags.as_ref().filter(has_all)
    }

    /// Returns the names of a registry's endpoints file; `None` if there are none.
    pub(crate) fn names_of_file(&self, registry: &Registry, cloud: Cloud) -> Option<Vec<Endpoint>> {
        let file = registry.endpoints_file.clone()?;
        let names = &self.of(&registry.login_server)?.file;
        let origin = Provenance::File(file);
        let endpoints = endpoints(names, &registry.login_server, cloud, &origin);
        (!endpoints.is_empty()).then_some(endpoints)
    }

    /// Returns the replicas of all registries that were found in DNS.
    pub(crate) fn replicas(&self) -> Replicas {
        let registries = self.names.iter();
        registries
            .map(|(login_server, names)| (login_server.clone(), names.discovered.clone()))
            .collect()
    }

    /// Returns the names of a registry.
    pub(crate) fn of(&self, login_server: &Name) -> Option<&PersistedNames> {
        self.names.get(login_server)
    }
}

/// Returns those of `names` that belong to the registry; the file may have been written for another configuration.
pub(crate) fn endpoints(
    names: &BTreeMap<Name, Timestamp>,
    login_server: &Name,
    cloud: Cloud,
    origin: &Provenance,
) -> Vec<Endpoint> {
    let endpoint = |name: &Name| {
        Some(Endpoint {
            name: name.clone(),
            kind: cloud.endpoint_kind(login_server, name)?,
            origin: origin.clone(),
        })
    };
    names.keys().filter_map(endpoint).collect()
}
