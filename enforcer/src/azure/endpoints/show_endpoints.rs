//! Parses the output of `az acr show-endpoints`.

use std::path::Path;

use serde::Deserialize;

use super::{
    Endpoint, EndpointError, EndpointKind, Provenance, check_count, kind_of, registry_name,
};
use crate::azure::json_problem::json_problem;
use crate::azure::trailing_commas::blank_trailing_commas;
use crate::config::Cloud;
use crate::file::{read_up_to, utf8};
use crate::name::{Name, NameError};

/// The largest endpoints file that is read, in bytes: room for some thousand replicas.
pub(super) const MAX_FILE: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    login_server: String,
    data_endpoints: Option<Vec<ShownEndpoint>>,
    regional_endpoints: Option<Vec<ShownEndpoint>>,
}

#[derive(Deserialize)]
struct ShownEndpoint {
    endpoint: String,
}

/// Reads the names of the registry `login_server` from its endpoints `file`.
pub fn of_file(
    file: &Path,
    login_server: &Name,
    cloud: Cloud,
) -> Result<Vec<Endpoint>, EndpointError> {
    let registry = || registry_name(login_server, cloud);
    let bytes = read_up_to(file, MAX_FILE)
        .map_err(|source| EndpointError::Unreadable {
            file: file.to_owned(),
            registry: registry(),
            source,
        })?
        .ok_or_else(|| EndpointError::TooLarge {
            file: file.to_owned(),
            registry: registry(),
        })?;
    parse(&bytes, file, login_server, cloud)
}

/// Parses the output of `az acr show-endpoints` for the registry `login_server`. Trailing commas, which documented samples have, are
/// accepted. Names of another registry make the whole file invalid. `file` appears in errors.
pub fn parse(
    bytes: &[u8],
    file: &Path,
    login_server: &Name,
    cloud: Cloud,
) -> Result<Vec<Endpoint>, EndpointError> {
    let registry = || registry_name(login_server, cloud);
    let shown = read(bytes).map_err(|problem| EndpointError::Malformed {
        file: file.to_owned(),
        problem,
        registry: registry(),
    })?;
    let found = name(&shown.login_server, file, login_server, cloud)
        .map_err(|error| bare_name(error, login_server))?;
    if found != *login_server {
        return Err(EndpointError::OtherRegistry {
            file: file.to_owned(),
            registry: registry(),
            found,
            expected: login_server.clone(),
        });
    }
    let data = shown.data_endpoints.unwrap_or_default();
    let regional = shown.regional_endpoints.unwrap_or_default();
    let place = file.display().to_string();
    check_count(data.len() + regional.len(), &place)?;
    let endpoint = |shown: &ShownEndpoint| {
        let name = name(&shown.endpoint, file, login_server, cloud)?;
        let kind = kind_of(&name, login_server, cloud, &place)?;
        Ok(Endpoint {
            name,
            kind,
            origin: Provenance::File(file.to_owned()),
        })
    };
    let endpoints: Vec<Endpoint> = data
        .iter()
        .chain(&regional)
        .map(endpoint)
        .collect::<Result<_, EndpointError>>()?;
    let is_data = |endpoint: &Endpoint| endpoint.kind == EndpointKind::Data;
    if !endpoints.iter().any(is_data) {
        return Err(EndpointError::NoDataEndpoint {
            file: file.to_owned(),
            registry: registry(),
        });
    }
    Ok(endpoints)
}

/// Parses the JSON; the error describes what is wrong with it.
fn read(bytes: &[u8]) -> Result<Shown, String> {
    let mut bytes = utf8(bytes).into_owned();
    blank_trailing_commas(&mut bytes);
    serde_json::from_slice(&bytes).map_err(|error| json_problem(&error, &bytes))
}

fn name(text: &str, file: &Path, login_server: &Name, cloud: Cloud) -> Result<Name, EndpointError> {
    let registry = registry_name(login_server, cloud);
    let file = file.to_owned();
    text.parse().map_err(|source| match source {
        NameError::Wildcard(wildcard) => EndpointError::DataEndpointsOff {
            file,
            wildcard,
            registry,
        },
        NameError::Invalid(_) | NameError::SingleLabel(_) => EndpointError::NotAName {
            file,
            source,
            registry,
        },
    })
}

/// Replaces the error where the login server is only the registry's name.
fn bare_name(error: EndpointError, login_server: &Name) -> EndpointError {
    let EndpointError::NotAName {
        file,
        source: NameError::SingleLabel(found),
        registry,
    } = error
    else {
        return error;
    };
    EndpointError::BareName {
        file,
        found,
        login_server: login_server.clone(),
        registry,
    }
}
