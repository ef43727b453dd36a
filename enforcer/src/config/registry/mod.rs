//! The sections `[[registry]]`.

pub(super) mod rules;

use std::ops::Range;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use self::rules::{
    LoginServer, bare_name_problem, behind_custom_domain, data_endpoint_problem,
    login_server_problem, pattern_problem, regions_problem, resource_problem,
};
use super::faults::Faults;
use super::value::{
    EndpointName, EndpointPattern, File, Located, Regions, RegistryLabel, ResourceId, Text,
    WrittenLoginServer, allowed_prefixes, partition,
};
use super::{Cloud, Protect};
use crate::name::Name;

/// One `[[registry]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// Its login server: one label below the cloud's registry suffix.
    pub login_server: Name,
    /// A name outside Azure's zones that is a CNAME of the login server.
    pub custom_domain: Option<Name>,
    /// Regions of its replicas, as data endpoint names spell them (`eastus`).
    pub regions: Vec<String>,
    /// Whether DNS is searched for replicas in every known region.
    pub discover: bool,
    /// Its resource, for queries to Azure Resource Manager.
    pub resource_id: Option<ResourceId>,
    /// Whole names of data or regional endpoints of this registry.
    pub data_endpoints: Vec<Name>,
    /// A file with the output of `az acr show-endpoints`.
    pub endpoints_file: Option<PathBuf>,
    /// `<registry>.*.data.<suffix>`: endpoints in any region, which the kernel allows as their names are resolved.
    pub patterns: Vec<EndpointPattern>,
    /// Prefixes of its Private Link endpoints.
    pub private_endpoints: Vec<IpNet>,
    /// Whether a ClientHello must carry one of its names.
    pub sni: Sni,
}

/// Whether the TLS ClientHello of a connection must carry an allowed name that resolves to its destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Sni {
    /// It must.
    #[default]
    Required,
    /// Any TCP connection to port 443 of its addresses passes: other services that share them can be reached as well.
    Off,
}

/// One section for each registry that stays reachable, on TCP port 443. A host that pulls from none has the line `registry = []` at the
/// top of the file instead.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawRegistry {
    /// The name that `docker login` uses. A custom domain, such as registry.contoso.com, needs the key `registry`.
    #[cfg_attr(test, schemars(required, example = &"contoso.azurecr.io"))]
    login_server: Option<Located<Text<WrittenLoginServer>>>,
    /// The registry that a custom domain in `login-server` is a CNAME of: the label before azurecr.io in its login server. Both names are
    /// allowed, and answers for both must lead into the registry tag.
    ///
    /// Default: the registry that `login-server` names.
    #[cfg_attr(test, schemars(example = &"contoso"))]
    registry: Option<Located<Text<RegistryLabel>>>,
    /// The regions of its replicas: each allows the data endpoint of that region, such as contoso.eastus.data.azurecr.io. With `"discover"`,
    /// those of all known regions that have an address in DNS, in the region's own prefixes.
    ///
    /// Default: none.
    #[cfg_attr(test, schemars(example = ["eastus", "westus"]))]
    regions: Option<Located<Regions>>,
    /// Names of data or regional endpoints of this registry. `*` as the whole second label matches any region, as in
    /// `"contoso.*.data.azurecr.io"`: its addresses are allowed as programs on this host resolve such a name.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["contoso.westeurope.geo.azurecr.io"]))]
    data_endpoints: Vec<Located<Text<EndpointName>>>,
    /// The standard output of `az acr show-endpoints`, in UTF-8 or UTF-16, reread whenever it changes.
    ///
    /// Default: none.
    #[cfg_attr(test, schemars(example = &"contoso.json"))]
    endpoints_file: Option<Text<File>>,
    /// Its resource: Azure Resource Manager is queried for its endpoints, with the identity of `[azure]`, which needs the permission
    /// Microsoft.ContainerRegistry/registries/read.
    ///
    /// Default: none.
    #[cfg_attr(
        test,
        schemars(
            example = &"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/plant/providers/Microsoft.ContainerRegistry/registries/contoso",
        )
    )]
    resource_id: Option<Located<Text<ResourceId>>>,
    /// Prefixes of the Private Link endpoints of this registry.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["10.1.0.0/24"]))]
    private_endpoints: Vec<Located<Text<IpNet>>>,
    /// Whether the TLS ClientHello of a connection to one of its addresses must carry one of its names. With `"off"`, DNS answers to
    /// programs allow nothing for its names, only the daemon's own do; `status` reports this as a weakness.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &"off"))]
    sni: Sni,
}

impl Registry {
    /// Returns a registry with replicas in `regions`, and the defaults.
    pub(super) fn with_regions(login_server: Name, regions: Vec<String>) -> Self {
        Self {
            login_server,
            custom_domain: None,
            regions,
            discover: false,
            resource_id: None,
            data_endpoints: Vec::new(),
            endpoints_file: None,
            patterns: Vec::new(),
            private_endpoints: Vec::new(),
            sni: Sni::Required,
        }
    }
}

/// Returns the registries, without those whose login server is missing or faulty.
pub(super) fn registries(
    raw: Vec<Located<RawRegistry>>,
    protect: &Protect,
    base: &Path,
    faults: &mut Faults,
) -> Vec<Registry> {
    let mut registries: Vec<Registry> = Vec::with_capacity(raw.len());
    // Every rule about their names depends on the cloud.
    if ["protect", "protect.cloud"]
        .iter()
        .any(|key| faults.is_skipped(key))
    {
        return registries;
    }
    for entry in raw {
        let at = entry.span();
        let entry = entry.into_inner();
        let login_at = entry.login_server.as_ref().map(|login| login.span());
        let Some(registry) = entry.validate(&at, protect, base, faults) else {
            continue;
        };
        let others = registries.iter();
        let mut shared = others.filter_map(|other| shared_name(other, &registry));
        let problem = shared
            .next()
            .map(|name| format!("{name} has a [[registry]] already; merge the two"));
        faults.check(&login_at.unwrap_or(at), problem);
        registries.push(registry);
    }
    registries
}

/// Returns the name that two sections have in common.
fn shared_name<'a>(one: &Registry, other: &'a Registry) -> Option<&'a Name> {
    let custom_domain = other.custom_domain.as_ref();
    custom_domain
        .filter(|name| one.custom_domain.as_ref() == Some(*name))
        .or_else(|| (one.login_server == other.login_server).then_some(&other.login_server))
}

impl RawRegistry {
    /// Validates the section at `at`; returns `None` if its login server is missing or faulty.
    fn validate(
        self,
        at: &Range<usize>,
        protect: &Protect,
        base: &Path,
        faults: &mut Faults,
    ) -> Option<Registry> {
        let cloud = protect.cloud;
        let private_endpoints = allowed_prefixes(self.private_endpoints, &protect.nat64, faults);
        let (login_server, custom_domain) =
            login_server(self.login_server, self.registry, at, cloud, faults)?;
        if let Some(regions) = &self.regions
            && regions.get_ref().builds_names()
        {
            faults.check(&regions.span(), regions_problem(&login_server, cloud));
        }
        if let Some(resource) = &self.resource_id {
            let Text(id) = resource.get_ref();
            let problem = resource_problem(&login_server, id, cloud);
            faults.check(&resource.span(), problem);
        }
        check_endpoints(&self.data_endpoints, &login_server, cloud, faults);
        let regions = self.regions.map(Located::into_inner);
        let endpoints = self.data_endpoints.into_iter();
        let (data_endpoints, patterns) = partition(endpoints.map(|name| name.into_inner().0));
        Some(Registry {
            login_server,
            custom_domain,
            discover: matches!(regions, Some(Regions::Discover)),
            regions: regions.map(Regions::listed).unwrap_or_default(),
            resource_id: self.resource_id.map(|id| id.into_inner().0),
            data_endpoints,
            patterns,
            endpoints_file: self.endpoints_file.map(|Text(File(file))| base.join(file)),
            private_endpoints,
            sni: self.sni,
        })
    }
}

/// Adds the endpoints that do not belong to the registry behind `login_server`.
fn check_endpoints(
    endpoints: &[Located<Text<EndpointName>>],
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

/// Returns the login server of the section at `at`.
fn login_server(
    written: Option<Located<Text<WrittenLoginServer>>>,
    label: Option<Located<Text<RegistryLabel>>>,
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
            // It may be a custom domain.
            if faults.is_skipped_of(at, "registry.registry") {
                return None;
            }
            let problem = login_server_problem(&name, cloud);
            (login_at, problem.map_or(Ok((name, None)), Err))
        }
    };
    found.map_err(|problem| faults.add(&at, problem)).ok()
}
