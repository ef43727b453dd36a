//! What a configuration comes to, before any of it is in force.

mod compiled;
mod shown;
mod warnings;

use std::path::{Path, PathBuf};

use anyhow::Result;
use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;

use crate::azure::TagSnapshot;
use crate::azure::endpoints::{Endpoint, Provenance};
use crate::config::{Config, DefaultAction, EndpointKind, EndpointPattern, Exception, Mode};
use crate::daemon::{Options, Source, Sources};
use crate::kernel::cgroup_root;
use crate::name::Name;

pub(super) use self::compiled::compile_for_nobody;

/// Seconds in a day.
const DAY: u64 = 86_400;

/// A valid configuration, spelled out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Plan {
    valid: bool,
    config: PathBuf,
    mode: Mode,
    scope: Option<PathBuf>,
    default: DefaultAction,
    closed: Closed,
    open: Vec<Open>,
    exceptions: Vec<Excepted>,
    warnings: Vec<String>,
}

/// What is closed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Closed {
    cloud: String,
    source: String,
    change_number: u32,
    date: Option<String>,
    age_days: Option<u64>,
    tags: Vec<Tag>,
    cidrs: Vec<IpNet>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Tag {
    name: String,
    ipv4_prefixes: usize,
    ipv6_prefixes: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Open {
    /// A whole name, or a pattern.
    name: String,
    kind: EndpointKind,
    origin: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Excepted {
    target: String,
    reason: String,
    names: Vec<Name>,
    cidrs: Vec<IpNet>,
    until: Timestamp,
    ended: bool,
}

/// Reads the file and all that it names, and compiles it without putting it in force.
///
/// # Errors
/// Those with which `run` would refuse it.
pub(super) fn plan(file: &Path, now: Timestamp) -> Result<Plan> {
    let root = cgroup_root().ok();
    plan_on(root.as_deref(), file, now)
}

/// The plan for a host whose cgroup tree is at `root`.
fn plan_on(root: Option<&Path>, file: &Path, now: Timestamp) -> Result<Plan> {
    let sources = Sources::read(&Options {
        source: Source::File(file.to_owned()),
        audit: false,
        ephemeral: false,
        scope: None,
    })?;
    compile_for_nobody(&sources)?;
    let config = &sources.config;
    Ok(Plan {
        valid: true,
        config: file.to_owned(),
        mode: config.mode,
        scope: config.scope.clone(),
        default: config.protect.default,
        closed: closed(config, &sources.tags, now),
        open: opened(&sources),
        exceptions: config
            .exceptions
            .iter()
            .map(|exception| excepted(exception, now))
            .collect(),
        warnings: warnings::warnings(&sources, now, root),
    })
}

/// What `config` closes with the service tags `tags`.
fn closed(config: &Config, tags: &TagSnapshot, now: Timestamp) -> Closed {
    let named = config.protect.tags.iter();
    let tag = |name: &String| {
        let prefixes = tags.families.get(name);
        Tag {
            name: name.clone(),
            ipv4_prefixes: prefixes.map_or(0, |prefixes| prefixes.v4().len()),
            ipv6_prefixes: prefixes.map_or(0, |prefixes| prefixes.v6().len()),
        }
    };
    Closed {
        cloud: config.protect.cloud.to_string(),
        source: tags.origin.to_string(),
        change_number: tags.change_number,
        date: tags.date.map(|date| date.to_string()),
        age_days: tags.age(now).map(|age| age.as_secs() / DAY),
        tags: named.map(tag).collect(),
        cidrs: config.protect.cidrs.clone(),
    }
}

/// The names of all registries, then the patterns.
fn opened(sources: &Sources) -> Vec<Open> {
    let cloud = sources.config.protect.cloud;
    let patterns = sources.config.registries.iter().flat_map(|registry| {
        let kind = |pattern: &EndpointPattern| {
            cloud.endpoint_kind(&registry.login_server, pattern.example())
        };
        let open = move |pattern: &EndpointPattern| {
            Some(Open {
                name: pattern.to_string(),
                kind: kind(pattern)?,
                origin: Provenance::Configured.to_string(),
            })
        };
        registry.patterns.iter().filter_map(open)
    });
    let names = sources.endpoints.iter().flatten().map(open);
    names.chain(patterns).collect()
}

fn open(endpoint: &Endpoint) -> Open {
    Open {
        name: endpoint.name.to_string(),
        kind: endpoint.kind,
        origin: endpoint.origin.to_string(),
    }
}

fn excepted(exception: &Exception, now: Timestamp) -> Excepted {
    Excepted {
        target: exception.target.to_string(),
        reason: exception.reason.clone(),
        names: exception.names.clone(),
        cidrs: exception.cidrs.clone(),
        until: exception.until,
        ended: exception.until <= now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const CONFIG: &str = r#"
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

    /// The plan of `text` at `now` on a host without a cgroup tree, or the error that refuses it.
    pub(super) fn planned(text: &str, now: &str) -> (Option<Plan>, String) {
        planned_on(None, text, now)
    }

    pub(super) fn planned_on(root: Option<&Path>, text: &str, now: &str) -> (Option<Plan>, String) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        match plan_on(root, &file, now.parse().unwrap()) {
            Ok(plan) => (Some(plan), String::new()),
            Err(error) => (None, error.to_string()),
        }
    }

    pub(super) fn plan_of(text: &str, now: &str) -> Plan {
        planned(text, now).0.unwrap()
    }

    #[test]
    fn the_plan_names_what_opens_with_its_origin() {
        let plan = plan_of(CONFIG, "2026-01-01T00:00:00Z");
        let open: Vec<_> = plan
            .open
            .iter()
            .map(|open| (open.name.as_str(), open.origin.as_str()))
            .collect();
        assert_eq!(
            open,
            [
                ("contoso.azurecr.io", "configuration"),
                ("contoso.eastus.data.azurecr.io", "region eastus"),
                ("bare.azurecr.io", "configuration"),
            ]
        );
        assert!(plan.closed.tags.iter().all(|tag| tag.ipv4_prefixes > 10));
    }
}
