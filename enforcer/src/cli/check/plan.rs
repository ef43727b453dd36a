//! The plan: what a configuration protects and allows.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;

use super::warnings::warnings;
use crate::azure::TagSnapshot;
use crate::azure::endpoints::{Endpoint, Provenance};
use crate::config::{
    Config, DefaultAction, EndpointKind, EndpointPattern, Exception, FramesMode, Mode,
};
use crate::doctor::host::configuration::{check_capacity, read_sources};
use crate::name::Name;
use crate::sources::{Source, Sources};
use crate::sys::cgroup_root;

/// Seconds in a day.
const DAY: u64 = 86_400;

/// A valid configuration, with every name and prefix that follows from it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "CheckPlan"))]
pub(in crate::cli) struct Plan {
    /// Whether the daemon would accept it: true.
    pub(super) valid: bool,
    /// The configuration file.
    pub(super) config: PathBuf,
    /// Whether denials are enforced.
    pub(super) mode: Mode,
    /// The cgroup to govern; null for the root of the hierarchy.
    pub(super) scope: Option<PathBuf>,
    /// What happens to addresses that are not protected.
    pub(super) default: DefaultAction,
    /// The protected addresses.
    pub(super) protected: ProtectedSet,
    /// The names and patterns of all registries.
    pub(super) allowed: Vec<AllowedName>,
    /// The exceptions.
    pub(super) exceptions: Vec<PlannedException>,
    /// Whether network devices judge, too.
    pub(super) frames: FramesMode,
    /// Patterns of the devices that do; empty: all.
    pub(super) interfaces: Vec<String>,
    /// Probable mistakes and avoidable permissions.
    pub(super) warnings: Vec<String>,
}

/// The protected set.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct ProtectedSet {
    /// The cloud.
    pub(super) cloud: String,
    /// Where the service tags come from.
    pub(super) source: String,
    /// Their change number.
    pub(super) change_number: u32,
    /// When they were published.
    pub(super) date: Option<String>,
    /// Days since then.
    pub(super) age_days: Option<u64>,
    /// The tags.
    pub(super) tags: Vec<PlannedTag>,
    /// Prefixes of the configuration beside the tags.
    #[cfg_attr(test, schemars(with = "Vec<crate::documents::Prefix>"))]
    pub(super) cidrs: Vec<IpNet>,
}

/// A service tag.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct PlannedTag {
    /// Its name.
    pub(super) name: String,
    /// Number of its IPv4 prefixes.
    pub(super) ipv4_prefixes: usize,
    /// Number of its IPv6 prefixes.
    pub(super) ipv6_prefixes: usize,
}

/// A name that registries allow.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct AllowedName {
    /// A name or a pattern.
    pub(super) name: String,
    /// What the name is for.
    pub(super) kind: EndpointKind,
    /// What it comes from.
    pub(super) origin: String,
}

/// An exception.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct PlannedException {
    /// The unit or cgroup.
    pub(super) target: String,
    /// Why it is needed.
    pub(super) reason: String,
    /// The names that it allows.
    pub(super) names: Vec<Name>,
    /// The prefixes that it allows.
    #[cfg_attr(test, schemars(with = "Vec<crate::documents::Prefix>"))]
    pub(super) cidrs: Vec<IpNet>,
    /// Whether it allows socket options that pass the filters of network devices.
    pub(super) device_bypass: bool,
    /// Its end.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub(super) until: Timestamp,
    /// Whether the end has passed.
    pub(super) ended: bool,
}

/// Reads the file and the files that it names, and compiles the policy without applying it.
///
/// # Errors
/// Those with which `run` would refuse it.
pub(in crate::cli) fn plan(file: &Path, now: Timestamp) -> Result<Plan> {
    let root = cgroup_root().ok();
    plan_on(root.as_deref(), file, now)
}

/// Returns the plan for a host whose cgroup tree is at `root`.
fn plan_on(root: Option<&Path>, file: &Path, now: Timestamp) -> Result<Plan> {
    let sources = read_sources(Source::File(file.to_owned()))?;
    check_capacity(&sources)?;
    let config = &sources.config;
    Ok(Plan {
        valid: true,
        config: file.to_owned(),
        mode: config.mode,
        scope: config.scope.clone(),
        default: config.protect.default,
        protected: protected_set(config, &sources.tags, now),
        allowed: allowed_names(&sources),
        exceptions: config
            .exceptions
            .iter()
            .map(|exception| planned_exception(exception, now))
            .collect(),
        frames: config.frames.mode,
        interfaces: config
            .frames
            .interfaces
            .iter()
            .map(ToString::to_string)
            .collect(),
        warnings: warnings(&sources, now, root),
    })
}

/// Returns what `config` protects with the service tags `tags`.
fn protected_set(config: &Config, tags: &TagSnapshot, now: Timestamp) -> ProtectedSet {
    let named = config.protect.tags.iter();
    let tag = |name: &String| {
        let prefixes = tags.families.get(name);
        PlannedTag {
            name: name.clone(),
            ipv4_prefixes: prefixes.map_or(0, |prefixes| prefixes.v4().len()),
            ipv6_prefixes: prefixes.map_or(0, |prefixes| prefixes.v6().len()),
        }
    };
    ProtectedSet {
        cloud: config.protect.cloud.to_string(),
        source: tags.origin.to_string(),
        change_number: tags.change_number,
        date: tags.date.map(|date| date.to_string()),
        age_days: tags.age(now).map(|age| age.as_secs() / DAY),
        tags: named.map(tag).collect(),
        cidrs: config.protect.cidrs.clone(),
    }
}

/// Returns the names of all registries, then the patterns.
fn allowed_names(sources: &Sources) -> Vec<AllowedName> {
    let cloud = sources.config.protect.cloud;
    let patterns = sources.config.registries.iter().flat_map(|registry| {
        let kind = |pattern: &EndpointPattern| {
            cloud.endpoint_kind(&registry.login_server, pattern.example())
        };
        let allowed = move |pattern: &EndpointPattern| {
            Some(AllowedName {
                name: pattern.to_string(),
                kind: kind(pattern)?,
                origin: Provenance::Configured.to_string(),
            })
        };
        registry.patterns.iter().filter_map(allowed)
    });
    let names = sources.endpoints.iter().flatten().map(allowed_name);
    names.chain(patterns).collect()
}

fn allowed_name(endpoint: &Endpoint) -> AllowedName {
    AllowedName {
        name: endpoint.name.to_string(),
        kind: endpoint.kind,
        origin: endpoint.origin.to_string(),
    }
}

fn planned_exception(exception: &Exception, now: Timestamp) -> PlannedException {
    PlannedException {
        target: exception.target.to_string(),
        reason: exception.reason.clone(),
        names: exception.names.clone(),
        cidrs: exception.cidrs.clone(),
        device_bypass: exception.bypasses_devices,
        until: exception.until,
        ended: exception.until <= now,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const CONFIG: &str = r#"
        scope = "/sys/fs/cgroup/plant.slice"
        [protect]
        cidrs = ["198.51.100.0/24"]
        [[registry]]
        login-server = "contoso.azurecr.io"
        regions = ["eastus"]
        [[registry]]
        login-server = "bare.azurecr.io"
        [[exception]]
        reason = "logs"
        unit = "agent.service"
        names = ["logs.blob.core.windows.net"]
        cidrs = ["203.0.113.0/24"]
        until = 2027-01-31T00:00:00Z
    "#;

    /// The plan of `text` at `now` on a host without a cgroup tree, or its error.
    pub(crate) fn planned(text: &str, now: &str) -> (Option<Plan>, String) {
        planned_on(None, text, now)
    }

    pub(crate) fn planned_on(root: Option<&Path>, text: &str, now: &str) -> (Option<Plan>, String) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        match plan_on(root, &file, now.parse().unwrap()) {
            Ok(plan) => (Some(plan), String::new()),
            Err(error) => (None, error.to_string()),
        }
    }

    pub(crate) fn plan_of(text: &str, now: &str) -> Plan {
        planned(text, now).0.unwrap()
    }

    #[test]
    fn the_plan_has_each_allowed_name_with_its_origin() {
        let plan = plan_of(CONFIG, "2026-01-01T00:00:00Z");
        let allowed: Vec<_> = plan
            .allowed
            .iter()
            .map(|allowed| (allowed.name.as_str(), allowed.origin.as_str()))
            .collect();
        assert_eq!(
            allowed,
            [
                ("contoso.azurecr.io", "configuration"),
                ("contoso.eastus.data.azurecr.io", "region eastus"),
                ("bare.azurecr.io", "configuration"),
            ]
        );
        assert!(plan.protected.tags.iter().all(|tag| tag.ipv4_prefixes > 10));
    }
}
