//! The names of a registry: its login server, its data endpoints and its regional endpoints.

mod error;
mod show_endpoints;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::Serialize;

pub use self::error::EndpointError;
pub use self::show_endpoints::{of_file, parse};
pub use crate::config::EndpointKind;
use crate::config::{Cloud, Registry, ResourceId};
use crate::name::Name;

/// The most names of one registry from a file or Resource Manager: several per region of the cloud.
const MOST_NAMES: usize = 256;

/// A name of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// The fully qualified name.
    pub name: Name,
    /// What it is for.
    pub kind: EndpointKind,
    /// How it became known.
    pub origin: Provenance,
}

/// How a name of a registry became known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provenance {
    /// From the configuration.
    Configured,
    /// From this region in the configuration.
    Region(String),
    /// From this endpoints file.
    File(PathBuf),
    /// From Azure Resource Manager.
    Manager,
    /// From DNS, with addresses of this region.
    Discovered(String),
}

impl std::fmt::Display for Provenance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Configured => formatter.write_str("configuration"),
            Self::Region(region) => write!(formatter, "region {region}"),
            Self::File(file) => file.display().fmt(formatter),
            Self::Manager => formatter.write_str("Azure Resource Manager"),
            Self::Discovered(region) => write!(formatter, "DNS, region {region}"),
        }
    }
}

/// Returns the names of `registry` that follow from the configuration alone: the login server first, then its custom domain, the data
/// endpoints in regions, and the configured data endpoints.
pub fn configured(registry: &Registry, cloud: Cloud) -> Result<Vec<Endpoint>, EndpointError> {
    let login_servers = [
        Some(&registry.login_server),
        registry.custom_domain.as_ref(),
    ];
    let login_servers = login_servers.into_iter().flatten();
    let mut found: Vec<Endpoint> = login_servers
        .map(|name| Endpoint {
            name: name.clone(),
            kind: EndpointKind::LoginServer,
            origin: Provenance::Configured,
        })
        .collect();
    for region in &registry.regions {
        found.push(in_region(&registry.login_server, region, cloud)?);
    }
    for name in &registry.data_endpoints {
        let kind = kind_of(
            name,
            &registry.login_server,
            cloud,
            "registry.data-endpoints",
        )?;
        found.push(Endpoint {
            name: name.clone(),
            kind,
            origin: Provenance::Configured,
        });
    }
    Ok(found)
}

/// Returns the registry name for Azure's command line: the first label of `login_server` without the hash of a domain name label.
pub(super) fn registry_name(login_server: &Name, cloud: Cloud) -> String {
    let label = cloud.login_label(login_server);
    let label = label.unwrap_or(login_server.as_str());
    label.split('-').next().unwrap_or(label).to_owned()
}

/// Returns the first endpoint of each name.
pub fn unique(endpoints: impl IntoIterator<Item = Endpoint>) -> Vec<Endpoint> {
    let mut unique: Vec<Endpoint> = Vec::new();
    for endpoint in endpoints {
        if unique.iter().all(|known| known.name != endpoint.name) {
            unique.push(endpoint);
        }
    }
    unique
}

/// Returns the data endpoint of a registry's replica in `region`.
///
/// # Errors
/// Where login server and region make no name.
pub fn in_region(
    login_server: &Name,
    region: &str,
    cloud: Cloud,
) -> Result<Endpoint, EndpointError> {
    let wrong = || EndpointError::Region {
        region: region.to_owned(),
        login_server: login_server.clone(),
    };
    let label = cloud.login_label(login_server).ok_or_else(wrong)?;
    let text = format!("{label}.{region}.data.{}", cloud.registry_suffix());
    let name: Name = text.parse().or(Err(wrong()))?;
    if cloud.endpoint_kind(login_server, &name) != Some(EndpointKind::Data) {
        return Err(wrong());
    }
    Ok(Endpoint {
        name,
        kind: EndpointKind::Data,
        origin: Provenance::Region(region.to_owned()),
    })
}

/// Returns the kind of `name`, found at `place`. Names of other registries are refused.
pub(super) fn kind_of(
    name: &Name,
    login_server: &Name,
    cloud: Cloud,
    place: &str,
) -> Result<EndpointKind, EndpointError> {
    cloud
        .endpoint_kind(login_server, name)
        .ok_or_else(|| EndpointError::Foreign {
            place: place.to_owned(),
            name: name.clone(),
            login_server: login_server.clone(),
        })
}

/// Refuses more than 256 names for one registry, found at `place`.
pub(super) fn check_count(found: usize, place: &str) -> Result<(), EndpointError> {
    if found > MOST_NAMES {
        return Err(EndpointError::TooManyNames {
            place: place.to_owned(),
            found,
            limit: MOST_NAMES,
        });
    }
    Ok(())
}

/// The error that the resource `id` has its data endpoints disabled.
pub(super) fn data_endpoints_off(
    id: &ResourceId,
    login_server: &Name,
    cloud: Cloud,
) -> EndpointError {
    EndpointError::DataEndpointsOffInResource {
        resource: id.to_string(),
        registry: registry_name(login_server, cloud),
    }
}
