//! From the file as written to the validated configuration.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use ipnet::Ipv6Net;
use toml::Spanned;

use super::azure::{azure, discovery, poll};
use super::error::Fault;
use super::prefix::{closed, opened};
use super::raw::{RawConfig, RawDns, RawException, RawPaths, RawProtect, RawRegistry};
use super::registry::{
    behind_custom_domain, data_endpoint_problem, login_server_problem, pattern_problem,
    regions_problem, resource_problem,
};
use super::value::{
    Absolute, CgroupPath, EndpointName, File, Guid, Reason, Regions, RegistryLabel, Text, Unit,
    instant, parted,
};
use super::{Config, DefaultAction, Dns, Exception, Paths, Protect, Registry, Target};
use crate::name::Name;

/// The shortest linger: with none, an address would close between the answer and the connection.
const MIN_LINGER: Duration = Duration::from_secs(1);
/// The longest linger: addresses of shared front ends are handed to other customers in the end.
const MAX_LINGER: Duration = Duration::from_hours(24);
/// Service tags are published weekly, so a shorter alarm could never be still.
const MIN_MAX_AGE: Duration = Duration::from_hours(7 * 24);

/// Validates `raw`; relative files count from `base`.
pub(super) fn validate(raw: RawConfig, base: &Path) -> Result<Config, Fault> {
    let Some(registries) = raw.registry else {
        return Err(Fault::new(
            0..0,
            "no [[registry]] stands there; name one, or write registry = [] at the top when this host pulls from none",
        ));
    };
    let protect = protect(raw.protect, base)?;
    let exceptions = raw.exception.into_iter();
    let config = Config {
        mode: raw.mode,
        scope: raw.scope.map(|Text(Absolute(path))| path),
        registries: all_registries(registries, &protect, base)?,
        exceptions: exceptions
            .map(|raw| exception(raw, &protect.nat64))
            .collect::<Result<_, _>>()?,
        protect,
        dns: dns(raw.dns)?,
        azure: azure(raw.azure, base)?,
        discovery: discovery(raw.discovery)?,
        paths: paths(raw.paths),
    };
    Ok(config)
}

fn protect(raw: RawProtect, base: &Path) -> Result<Protect, Fault> {
    let defaults = Protect::default();
    let tags_at = raw.tags.as_ref().map(Spanned::span).unwrap_or_default();
    let tags = raw.tags.map(|tags| {
        tags.into_inner()
            .into_iter()
            .map(|Text(tag)| tag.0)
            .collect()
    });
    let nat64: Vec<Ipv6Net> = raw.nat64.into_iter().map(|Text(prefix)| prefix.0).collect();
    let protect = Protect {
        tags: tags.unwrap_or(defaults.tags),
        cloud: raw.cloud,
        service_tags: raw.service_tags.map(|Text(File(file))| base.join(file)),
        service_tags_url: raw.service_tags_url.map(|Text(url)| url),
        service_tags_subscription: raw.service_tags_subscription.map(|Text(Guid(guid))| guid),
        service_tags_poll: poll(raw.service_tags_poll, defaults.service_tags_poll)?,
        cidrs: closed(raw.cidrs, &nat64)?,
        default: raw.default,
        max_age: bounded(raw.max_age, defaults.max_age, MIN_MAX_AGE..=Duration::MAX)?,
        nat64,
    };
    if protect.tags.is_empty()
        && protect.cidrs.is_empty()
        && protect.default == DefaultAction::Allow
    {
        return Err(Fault::new(
            tags_at,
            "nothing would be closed; list tags or cidrs, or set default = \"deny\"",
        ));
    }
    Ok(protect)
}

fn all_registries(
    raw: Vec<Spanned<RawRegistry>>,
    protect: &Protect,
    base: &Path,
) -> Result<Vec<Registry>, Fault> {
    let mut registries: Vec<Registry> = Vec::with_capacity(raw.len());
    for entry in raw {
        let at = entry.span();
        let entry = entry.into_inner();
        let login_at = entry
            .login_server
            .as_ref()
            .map_or(at.clone(), Spanned::span);
        let registry = registry(entry, &at, protect, base)?;
        let custom_domain = registry.custom_domain.as_ref();
        for other in &registries {
            let is_same = other.login_server == registry.login_server;
            let shared = custom_domain.filter(|name| other.custom_domain.as_ref() == Some(*name));
            if is_same || shared.is_some() {
                let name = shared.unwrap_or(&registry.login_server);
                let problem = format!("{name} has a [[registry]] already; put both into one");
                return Err(Fault::new(login_at, problem));
            }
        }
        registries.push(registry);
    }
    Ok(registries)
}

fn registry(
    raw: RawRegistry,
    at: &Range<usize>,
    protect: &Protect,
    base: &Path,
) -> Result<Registry, Fault> {
    let cloud = protect.cloud;
    let Some(login_server) = raw.login_server else {
        return Err(missing(
            at,
            "login-server",
            &format!("\"<registry>.{}\"", cloud.registry_suffix()),
        ));
    };
    let login_at = login_server.span();
    let Text(login_server) = login_server.into_inner();
    let (login_server, custom_domain) = match raw.registry {
        Some(label) => {
            let Text(RegistryLabel(name)) = label.get_ref();
            behind_custom_domain(login_server, name, cloud)
                .map_err(|problem| Fault::new(label.span(), problem))?
        }
        None => {
            refuse(&login_at, login_server_problem(&login_server, cloud))?;
            (login_server, None)
        }
    };
    if let Some(regions) = raw
        .regions
        .as_ref()
        .filter(|regions| regions.get_ref().builds_names())
    {
        refuse(&regions.span(), regions_problem(&login_server, cloud))?;
    }
    if let Some(resource) = &raw.resource_id {
        let Text(id) = resource.get_ref();
        refuse(&resource.span(), resource_problem(&login_server, id, cloud))?;
    }
    for endpoint in &raw.data_endpoints {
        let Text(name) = endpoint.get_ref();
        let problem = match name {
            EndpointName::Whole(name) => data_endpoint_problem(&login_server, name, cloud),
            EndpointName::Pattern(pattern) => pattern_problem(&login_server, pattern, cloud),
        };
        refuse(&endpoint.span(), problem)?;
    }
    let regions = raw.regions.map(Spanned::into_inner);
    let endpoints = raw.data_endpoints.into_iter();
    let (data_endpoints, patterns) = parted(endpoints.map(|name| name.into_inner().0));
    Ok(Registry {
        login_server,
        custom_domain,
        discover: matches!(regions, Some(Regions::Discover)),
        regions: regions.map(Regions::listed).unwrap_or_default(),
        resource_id: raw.resource_id.map(|id| id.into_inner().0),
        data_endpoints,
        patterns,
        endpoints_file: raw.endpoints_file.map(|Text(File(file))| base.join(file)),
        private_endpoints: opened(raw.private_endpoints, &protect.nat64)?,
        sni: raw.sni,
    })
}

fn exception(raw: Spanned<RawException>, nat64: &[Ipv6Net]) -> Result<Exception, Fault> {
    let at = raw.span();
    let raw = raw.into_inner();
    let Some(Text(Reason(reason))) = raw.reason else {
        return Err(missing(&at, "reason", "\"why this is open\""));
    };
    let target = match (raw.unit, raw.cgroup) {
        (Some(Text(Unit(unit))), None) => Target::Unit(unit),
        (None, Some(Text(CgroupPath(path)))) => Target::Cgroup(path),
        (Some(_), Some(_)) => {
            return Err(Fault::new(at, "unit and cgroup both stand there; keep one"));
        }
        (None, None) => {
            return Err(missing(
                &at,
                "unit",
                "\"agent.service\" (or cgroup = \"/system.slice/…\")",
            ));
        }
    };
    let names: Vec<Name> = values(raw.names);
    let cidrs = opened(raw.cidrs, nat64)?;
    if names.is_empty() && cidrs.is_empty() {
        return Err(Fault::new(
            at,
            "it opens nothing; list names or cidrs, or remove it",
        ));
    }
    let Some(until) = raw.until else {
        return Err(missing(
            &at,
            "until",
            "2027-01-31T00:00:00Z, the date on which it ends",
        ));
    };
    let until = instant(until.get_ref()).map_err(|problem| Fault::new(until.span(), problem))?;
    Ok(Exception {
        reason,
        target,
        names,
        cidrs,
        until,
        sni: raw.sni,
    })
}

fn dns(raw: RawDns) -> Result<Dns, Fault> {
    Ok(Dns {
        servers: values(raw.servers),
        linger: bounded(raw.linger, Dns::default().linger, MIN_LINGER..=MAX_LINGER)?,
        answer_check: raw.answer_check,
        learn: raw.learn.unwrap_or(Dns::default().learn),
    })
}

pub(super) fn paths(raw: RawPaths) -> Paths {
    let defaults = Paths::default();
    let path = |path: Option<Text<Absolute>>| path.map(|Text(Absolute(path))| path);
    Paths {
        pins: path(raw.pins).unwrap_or(defaults.pins),
        state: path(raw.state).unwrap_or(defaults.state),
        runtime: path(raw.runtime).unwrap_or(defaults.runtime),
    }
}

pub(super) fn bounded(
    written: Option<Spanned<Text<Duration>>>,
    default: Duration,
    bounds: std::ops::RangeInclusive<Duration>,
) -> Result<Duration, Fault> {
    let Some(written) = written else {
        return Ok(default);
    };
    let Text(duration) = written.get_ref();
    if *duration < *bounds.start() {
        let problem = format!(
            "{duration:?} is too short; write at least {}s",
            bounds.start().as_secs()
        );
        return Err(Fault::new(written.span(), problem));
    }
    if *duration > *bounds.end() {
        let problem = format!(
            "{duration:?} is too long; write at most {}s",
            bounds.end().as_secs()
        );
        return Err(Fault::new(written.span(), problem));
    }
    Ok(*duration)
}

fn values<T>(written: Vec<Text<T>>) -> Vec<T> {
    written.into_iter().map(|Text(value)| value).collect()
}

fn refuse(at: &Range<usize>, problem: Option<String>) -> Result<(), Fault> {
    problem.map_or(Ok(()), |problem| Err(Fault::new(at.clone(), problem)))
}

pub(super) fn missing(at: &Range<usize>, key: &str, example: &str) -> Fault {
    Fault::new(
        at.clone(),
        format!("{key} is missing; add {key} = {example}"),
    )
}
