//! Rules for registries, the same for the file and for the command line.

use super::{Cloud, EndpointPattern, ResourceId};
use crate::name::Name;

/// Why `name` is no login server in `cloud`.
pub(super) fn login_server_problem(name: &Name, cloud: Cloud) -> Option<String> {
    if cloud.login_label(name).is_some() {
        return None;
    }
    let suffix = cloud.registry_suffix();
    if let Some(other) = Cloud::of_login_server(name) {
        return Some(format!(
            "\"{name}\" is a registry of the cloud \"{other}\", and the configuration is for \"{cloud}\"; set protect.cloud = \"{other}\""
        ));
    }
    if name.is_within(suffix) {
        return Some(format!(
            "\"{name}\" is no login server; write \"<registry>.{suffix}\" here, and other names under data-endpoints"
        ));
    }
    Some(format!(
        "\"{name}\" is no login server of the cloud \"{cloud}\"; write \"<registry>.{suffix}\""
    ))
}

/// Why data endpoints cannot be named after regions.
pub(super) fn regions_problem(login_server: &Name, cloud: Cloud) -> Option<String> {
    cloud.login_label(login_server)?;
    (!cloud.builds_endpoints(login_server)).then(|| {
        format!(
            "the endpoints of {login_server} cannot be built from regions, as its name carries a hash; \
             give endpoints-file (what `az acr show-endpoints` prints) or data-endpoints"
        )
    })
}

/// Why `id` is no resource of the registry behind `login_server`: its label is the registry's name, with a hash where there is one.
pub(super) fn resource_problem(
    login_server: &Name,
    id: &ResourceId,
    cloud: Cloud,
) -> Option<String> {
    let label = cloud.login_label(login_server)?;
    let name = label.split('-').next().unwrap_or(label);
    (!name.eq_ignore_ascii_case(&id.name)).then(|| {
        format!(
            "the resource id is that of the registry \"{}\", and {login_server} is another; write what \
             `az acr show --name {name} --query id` prints",
            id.name
        )
    })
}

/// Why `name` is no data or regional endpoint of the registry behind `login_server`.
pub(super) fn data_endpoint_problem(
    login_server: &Name,
    name: &Name,
    cloud: Cloud,
) -> Option<String> {
    use super::EndpointKind::{Data, LoginServer, Regional};
    match cloud.endpoint_kind(login_server, name) {
        Some(Data | Regional) => None,
        Some(LoginServer) => Some(format!(
            "{name} is the login server; it is open already, remove it here"
        )),
        None => {
            let suffix = cloud.registry_suffix();
            let registry = cloud.login_label(login_server).unwrap_or("<registry>");
            Some(format!(
                "{name} is no endpoint of {login_server} and would open another registry; \
                 write \"{registry}.<region>.data.{suffix}\", or give that registry a [[registry]] of its own"
            ))
        }
    }
}

/// Why `pattern` is none of the registry behind `login_server`.
pub(super) fn pattern_problem(
    login_server: &Name,
    pattern: &EndpointPattern,
    cloud: Cloud,
) -> Option<String> {
    let problem = data_endpoint_problem(login_server, pattern.example(), cloud)?;
    Some(problem.replace(pattern.example().as_str(), pattern.as_str()))
}
