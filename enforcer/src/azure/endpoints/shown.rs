//! What `az acr show-endpoints` prints.

use std::path::Path;

use serde::Deserialize;

use super::{Endpoint, EndpointError, EndpointKind, Origin, check_count, kind_of};
use crate::azure::relaxed::blank_trailing_commas;
use crate::config::Cloud;
use crate::file::without_byte_order_mark;
use crate::name::{Name, NameError};

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

/// Reads the output of `az acr show-endpoints` for the registry behind `login_server`; trailing commas, which
/// printed samples have, are taken. All names are of that registry, or none is returned. `file` is named in errors.
pub fn parse(
    mut bytes: Vec<u8>,
    file: &Path,
    login_server: &Name,
    cloud: Cloud,
) -> Result<Vec<Endpoint>, EndpointError> {
    blank_trailing_commas(&mut bytes);
    let shown: Shown =
        serde_json::from_slice(without_byte_order_mark(&bytes)).map_err(|source| {
            EndpointError::Malformed {
                file: file.to_owned(),
                source,
            }
        })?;
    let found = name(&shown.login_server, file, login_server, cloud)?;
    if found != *login_server {
        let expected = login_server.clone();
        return Err(EndpointError::OtherRegistry {
            file: file.to_owned(),
            found,
            expected,
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
            origin: Origin::File(file.to_owned()),
        })
    };
    let endpoints: Vec<Endpoint> = data
        .iter()
        .chain(&regional)
        .map(endpoint)
        .collect::<Result<_, EndpointError>>()?;
    if !endpoints
        .iter()
        .any(|endpoint| endpoint.kind == EndpointKind::Data)
    {
        return Err(EndpointError::NoDataEndpoint {
            file: file.to_owned(),
        });
    }
    Ok(endpoints)
}

fn name(text: &str, file: &Path, login_server: &Name, cloud: Cloud) -> Result<Name, EndpointError> {
    text.parse().map_err(|source| match source {
        NameError::Wildcard(wildcard) => EndpointError::DataEndpointsOff {
            file: file.to_owned(),
            wildcard,
            registry: cloud
                .login_label(login_server)
                .unwrap_or(login_server.as_str())
                .to_owned(),
        },
        NameError::Invalid(_) => EndpointError::NotAName {
            file: file.to_owned(),
            source,
        },
    })
}
