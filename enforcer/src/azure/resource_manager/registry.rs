//! The names of a registry from Azure Resource Manager.

use std::time::Duration;

use serde::Deserialize;

use super::client::{AzureClient, Bounds, WHOLE_TIME, in_time};
use super::error::{FetchError, FetchProblem, FetchTarget};
use crate::azure::endpoints::{
    Endpoint, EndpointError, EndpointKind, Provenance, check_count, data_endpoints_off, kind_of,
};
use crate::azure::json_problem::fault;
use crate::azure::pinned_addresses::PinnedAddresses;
use crate::config::{Cloud, Registry, ResourceId};
use crate::file::utf8;
use crate::name::Name;

/// The stable version that has `dataEndpointHostNames`. Fields of later ones are read when they are there.
const API_VERSION: &str = "2025-11-01";
/// The largest answer, in bytes: room for some thousand replicas.
const MOST_BYTES: u64 = 1 << 20;
/// Timeout of the request.
const MOST_TIME: Duration = Duration::from_secs(30);

impl AzureClient {
    /// Fetches the names of `registry` by its resource `id`. A name of another registry makes the whole answer invalid.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn registry(
        &self,
        registry: &Registry,
        id: &ResourceId,
        pinned: &PinnedAddresses,
    ) -> Result<Vec<Endpoint>, FetchError> {
        let target = FetchTarget::Registry(id.clone());
        let path = format!("{id}?api-version={API_VERSION}");
        let url = self.at(&path, &target)?;
        let bounds = Bounds {
            bytes: MOST_BYTES,
            time: MOST_TIME,
        };
        let answer = self.request(&target, url, pinned, bounds);
        let response = in_time(&target, WHOLE_TIME, answer).await?;
        parse(response.body(), &registry.login_server, id, self.cloud)
            .map_err(|problem| target.failed(problem))
    }
}

#[derive(Deserialize)]
struct Resource {
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    login_server: String,
    data_endpoint_enabled: bool,
    data_endpoint_host_names: Option<Vec<String>>,
    regional_endpoint_host_names: Option<Vec<String>>,
}

/// Parses the answer of `Registries - Get` for the resource `id`. A name of another registry than `login_server` makes the whole answer
/// invalid.
pub(super) fn parse(
    bytes: &[u8],
    login_server: &Name,
    id: &ResourceId,
    cloud: Cloud,
) -> Result<Vec<Endpoint>, FetchProblem> {
    let resource: Resource = serde_json::from_slice(&utf8(bytes))
        .map_err(|error| FetchProblem::Malformed(fault(&error)))?;
    let properties = resource.properties;
    let found = name(&properties.login_server, id)?;
    if found != *login_server {
        return Err(EndpointError::OtherResource {
            resource: id.to_string(),
            found,
            expected: login_server.clone(),
        }
        .into());
    }
    if !properties.data_endpoint_enabled {
        return Err(data_endpoints_off(id, login_server, cloud).into());
    }
    let data = properties.data_endpoint_host_names;
    let data = data
        .ok_or_else(|| FetchProblem::Malformed("missing key `dataEndpointHostNames`".to_owned()))?;
    let place = id.to_string();
    let regional = properties.regional_endpoint_host_names.unwrap_or_default();
    check_count(data.len() + regional.len(), &place)?;
    let endpoint = |text: &String| {
        let name = name(text, id)?;
        let kind = kind_of(&name, login_server, cloud, &place)?;
        Ok(Endpoint {
            name,
            kind,
            origin: Provenance::Manager,
        })
    };
    let endpoints: Vec<Endpoint> = data
        .iter()
        .chain(&regional)
        .map(endpoint)
        .collect::<Result<_, EndpointError>>()?;
    let is_data = |endpoint: &Endpoint| endpoint.kind == EndpointKind::Data;
    if !endpoints.iter().any(is_data) {
        return Err(EndpointError::NoDataEndpointInResource { resource: place }.into());
    }
    Ok(endpoints)
}

fn name(text: &str, id: &ResourceId) -> Result<Name, EndpointError> {
    text.parse()
        .map_err(|source| EndpointError::NoNameInResource {
            resource: id.to_string(),
            source,
        })
}
