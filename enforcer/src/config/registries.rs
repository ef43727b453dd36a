//! The sections `[[registry]]`, validated.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use super::faults::Faults;
use super::prefix::opened;
use super::raw::RawRegistry;
use super::registry::{
    LoginServer, bare_name_problem, behind_custom_domain, data_endpoint_problem,
    login_server_problem, pattern_problem, regions_problem, resource_problem,
};
use super::value::{EndpointName, File, Regions, RegistryLabel, Text, WrittenLoginServer, parted};
use super::{Cloud, Protect, Registry};
use crate::name::Name;

/// The registries, without those whose login server cannot be told.
pub(super) fn registries(
    raw: Vec<Spanned<RawRegistry>>,
    protect: &Protect,
    base: &Path,
    faults: &mut Faults,
) -> Vec<Registry> {
    let mut registries: Vec<Registry> = Vec::with_capacity(raw.len());
    // Every rule about their names follows from the cloud.
    if ["protect", "protect.cloud"]
        .iter()
        .any(|key| faults.is_left_out(key))
    {
        return registries;
    }
    for entry in raw {
        let at = entry.span();
        let entry = entry.into_inner();
        let login_at = entry.login_server.as_ref().map(Spanned::span);
        let Some(registry) = registry(entry, &at, protect, base, faults) else {
            continue;
        };
        let others = registries.iter();
        let mut shared = others.filter_map(|other| shared_name(other, &registry));
        let problem = shared
            .next()
            .map(|name| format!("{name} has a [[registry]] already; put both into one"));
        faults.check(&login_at.unwrap_or(at), problem);
        registries.push(registry);
    }
    registries
}

/// The name that two sections have in common.
fn shared_name<'a>(one: &Registry, other: &'a Registry) -> Option<&'a Name> {
    let custom_domain = other.custom_domain.as_ref();
    custom_domain
        .filter(|name| one.custom_domain.as_ref() == Some(*name))
        .or_else(|| (one.login_server == other.login_server).then_some(&other.login_server))
}

fn registry(
    raw: RawRegistry,
    at: &Range<usize>,
    protect: &Protect,
    base: &Path,
    faults: &mut Faults,
) -> Option<Registry> {
    let cloud = protect.cloud;
    let private_endpoints = opened(raw.private_endpoints, &protect.nat64, faults);
    let (login_server, custom_domain) =
        login_server(raw.login_server, raw.registry, at, cloud, faults)?;
    if let Some(regions) = &raw.regions
        && regions.get_ref().builds_names()
    {
        faults.check(&regions.span(), regions_problem(&login_server, cloud));
    }
    if let Some(resource) = &raw.resource_id {
        let Text(id) = resource.get_ref();
        let problem = resource_problem(&login_server, id, cloud);
        faults.check(&resource.span(), problem);
    }
    check_endpoints(&raw.data_endpoints, &login_server, cloud, faults);
    let regions = raw.regions.map(Spanned::into_inner);
    let endpoints = raw.data_endpoints.into_iter();
    let (data_endpoints, patterns) = parted(endpoints.map(|name| name.into_inner().0));
    Some(Registry {
        login_server,
        custom_domain,
        discover: matches!(regions, Some(Regions::Discover)),
        regions: regions.map(Regions::listed).unwrap_or_default(),
        resource_id: raw.resource_id.map(|id| id.into_inner().0),
        data_endpoints,
        patterns,
        endpoints_file: raw.endpoints_file.map(|Text(File(file))| base.join(file)),
        private_endpoints,
        sni: raw.sni,
    })
}

/// Adds the endpoints that are none of the registry behind `login_server`.
fn check_endpoints(
    endpoints: &[Spanned<Text<EndpointName>>],
    login_server: &Name,
    cloud: Cloud,
    faults: &mut Faults,
) {
    for endpoint in endpoints {
        let Text(name) = endpoint.get_ref();
        let problem = match name {
            EndpointName::Whole(name) => data_endpoint_problem(login_server, name, cloud),
            EndpointName::Pattern(pattern) => pattern_problem(login_server, pattern, cloud),
        };
        faults.check(&endpoint.span(), problem);
    }
}

/// The login server of the section at `at`.
fn login_server(
    written: Option<Spanned<Text<WrittenLoginServer>>>,
    label: Option<Spanned<Text<RegistryLabel>>>,
    at: &Range<usize>,
    cloud: Cloud,
    faults: &mut Faults,
) -> Option<LoginServer> {
    let Some(written) = written else {
        let example = format!("\"<registry>.{}\"", cloud.registry_suffix());
        faults.missing(at, "registry.login-server", &example);
        return None;
    };
    let login_at = written.span();
    let (at, found) = match (written.into_inner(), label) {
        (Text(WrittenLoginServer::Bare(label)), _) => {
            (login_at, Err(bare_name_problem(&label, cloud)))
        }
        (Text(WrittenLoginServer::Whole(name)), Some(label)) => {
            let Text(RegistryLabel(behind)) = label.get_ref();
            (label.span(), behind_custom_domain(name, behind, cloud))
        }
        (Text(WrittenLoginServer::Whole(name)), None) => {
            // A custom domain may be meant.
            if faults.is_left_out_of(at, "registry.registry") {
                return None;
            }
            let problem = login_server_problem(&name, cloud);
            (login_at, problem.map_or(Ok((name, None)), Err))
        }
    };
    found.map_err(|problem| faults.add(&at, problem)).ok()
}
