//! Rules for registries, the same for the file and for the command line.

use crate::config::{Cloud, EndpointKind, EndpointPattern, ResourceId};
use crate::name::Name;

/// Returns why `name` is not a login server in `cloud`.
pub(in crate::config) fn login_server_problem(name: &Name, cloud: Cloud) -> Option<String> {
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
            "\"{name}\" is not a login server; write \"<registry>.{suffix}\" here, and list other names under data-endpoints"
        ));
    }
    Some(format!(
        "\"{name}\" is not a login server of the cloud \"{cloud}\"; write \"<registry>.{suffix}\", \
         or if it is a custom domain of a registry, add registry = \"<registry>\""
    ))
}

/// Returns the problem that `login-server` is only the registry's name, `label`.
pub(super) fn bare_name_problem(label: &str, cloud: Cloud) -> String {
    format!(
        "\"{label}\" is only the registry's name, not its login server; write \"{label}.{}\"",
        cloud.registry_suffix()
    )
}

/// A registry's login server, and the custom domain that `login-server` has instead.
pub(super) type LoginServer = (Name, Option<Name>);

/// Returns the login server of the registry with this `label`, where `written` is a custom domain of it.
///
/// # Errors
/// If `written` is a name of another registry, or of a storage account.
pub(super) fn behind_custom_domain(
    written: Name,
    label: &str,
    cloud: Cloud,
) -> Result<LoginServer, String> {
    let suffix = cloud.registry_suffix();
    if let Some(of_name) = cloud.login_label(&written) {
        let is_same = of_name == label;
        return is_same.then_some((written.clone(), None)).ok_or_else(|| {
            format!("\"{label}\" is not the registry of login-server, {written}; remove it here")
        });
    }
    let mut clouds = Cloud::ALL.into_iter();
    let is_azures =
        |cloud: Cloud| written.is_within(cloud.registry_suffix()) || cloud.is_storage(&written);
    if clouds.any(is_azures) {
        return Err(format!(
            "login-server \"{written}\" is an Azure name and not a custom domain; write login-server = \"{label}.{suffix}\""
        ));
    }
    let login_server = format!("{label}.{suffix}").parse();
    let login_server: Name =
        login_server.map_err(|error: crate::name::NameError| error.to_string())?;
    Ok((login_server, Some(written)))
}

/// Returns why data endpoint names cannot be built from regions.
pub(in crate::config) fn regions_problem(login_server: &Name, cloud: Cloud) -> Option<String> {
    cloud.login_label(login_server)?;
    (!cloud.builds_endpoints(login_server)).then(|| {
        format!(
            "the endpoints of {login_server} cannot be built from regions, as its name contains a hash; \
             set endpoints-file (the output of `az acr show-endpoints`) or data-endpoints"
        )
    })
}

/// Returns why `id` is not the resource of the registry behind `login_server`, whose label is the registry's name, possibly with a hash.
pub(super) fn resource_problem(
    login_server: &Name,
    id: &ResourceId,
    cloud: Cloud,
) -> Option<String> {
    let label = cloud.login_label(login_server)?;
    let name = label.split('-').next().unwrap_or(label);
    (!name.eq_ignore_ascii_case(&id.name)).then(|| {
        format!(
            "the resource ID is that of the registry \"{}\", but {login_server} is another; write what \
             `az acr show --name {name} --query id` prints",
            id.name
        )
    })
}

/// Returns why `name` is not a data or regional endpoint of the registry behind `login_server`.
pub(super) fn data_endpoint_problem(
    login_server: &Name,
    name: &Name,
    cloud: Cloud,
) -> Option<String> {
    match cloud.endpoint_kind(login_server, name) {
        Some(EndpointKind::Data | EndpointKind::Regional) => None,
        Some(EndpointKind::LoginServer) => Some(format!(
            "{name} is the login server, which is allowed already; remove it here"
        )),
        None => {
            let suffix = cloud.registry_suffix();
            let registry = cloud.login_label(login_server).unwrap_or("<registry>");
            Some(format!(
                "{name} is not an endpoint of {login_server} and would allow another registry; \
                 write \"{registry}.<region>.data.{suffix}\", or add another [[registry]] for that registry"
            ))
        }
    }
}

/// Returns why `pattern` does not belong to the registry behind `login_server`.
pub(super) fn pattern_problem(
    login_server: &Name,
    pattern: &EndpointPattern,
    cloud: Cloud,
) -> Option<String> {
    let problem = data_endpoint_problem(login_server, pattern.example(), cloud)?;
    Some(problem.replace(pattern.example().as_str(), pattern.as_str()))
}
