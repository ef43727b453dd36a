//! The daemon's status as `/status` reports it and the command line prints it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use enforcer_common::Hook;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::audited::AuditedDestination;
use super::counters::Counters;
use super::device_status::DeviceStatus;
use super::hook_words;
use super::tags_status::TagsStatus;
use super::unit_denials::UnitCount;
use crate::config::{EndpointKind, FramesMode, Mode, Setting, Sni};
use crate::name::Name;
use crate::resolver::hosts::HOSTS;

/// The response to `GET /status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// The version of the daemon.
    pub version: String,
    /// The process id of the daemon.
    pub pid: u32,
    /// When it started.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub started: Timestamp,
    /// Enforce or audit.
    pub mode: Mode,
    /// Whether enforcement ends with the process.
    pub ephemeral: bool,
    /// The governed cgroup, including its descendants.
    pub scope: PathBuf,
    /// The attached hooks.
    #[serde(with = "hook_words")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub hooks: Vec<Hook>,
    /// Whether network devices have filters.
    #[serde(default)]
    pub frames: FramesMode,
    /// The network devices; empty if they have no filters by configuration.
    #[serde(default)]
    pub devices: Vec<DeviceStatus>,
    /// Where frames go that were denied at a device, and passed as denials are only reported there: the 20 destinations with most frames.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audited: Vec<AuditedDestination>,
    /// Denials by unit since the daemon started.
    #[serde(default)]
    pub unit_denials: Vec<UnitCount>,
    /// Number of policies applied since the maps were created.
    pub generation: u64,
    /// When the last policy was applied.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub applied: Timestamp,
    /// The configuration file in force; `None` if the command line gave the configuration.
    pub config: Option<PathBuf>,
    /// Whether addresses outside the protected set are allowed.
    pub default_allow: bool,
    /// Snooped DNS answers to allowed names, by outcome; empty if snooping is off.
    #[serde(default)]
    pub dns_observations: BTreeMap<String, u64>,
    /// Avoidable permissions in the configuration, one sentence each.
    #[serde(default)]
    pub weaknesses: Vec<String>,
    /// Settings of the configuration that decide what is allowed; empty from a daemon that does not report them.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// The protected set.
    pub tags: TagsStatus,
    /// Sources of names and prefixes that can change at run time.
    pub sources: Vec<SourceStatus>,
    /// Addresses that stay allowed for `dns.linger` although no name or pattern of the registries has them: of names that were removed, or from the daemon
    /// before this one.
    #[serde(default)]
    pub lingering: Vec<IpAddr>,
    /// Names and patterns that left the registries, and whose addresses are among those.
    #[serde(default)]
    pub removed: Vec<RemovedName>,
    /// The registries with their names and addresses.
    pub registries: Vec<RegistryStatus>,
    /// The exceptions.
    pub exceptions: Vec<ExceptionStatus>,
    /// DNS servers that the daemon queries, with their ports.
    pub resolvers: Vec<String>,
    /// Raised alarms.
    pub alarms: Vec<Alarm>,
    /// Counters of the kernel programs.
    pub counters: Counters,
}

/// A source of names or prefixes that can change while the daemon runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct SourceStatus {
    /// "endpoints-file", "resource-manager", "dns-discovery", "service-tags-file", "service-tags-url" or "service-tags-api".
    pub kind: String,
    /// The file, the resource id, the URL or the subscription; for discovery, the login server.
    pub source: String,
    /// The login server of its registry; `None` for service tags.
    pub registry: Option<Name>,
    /// When it was last read and accepted.
    #[cfg_attr(test, schemars(with = "Option<crate::documents::Time>"))]
    pub confirmed: Option<Timestamp>,
    /// When it is fetched next at the latest; `None` if it is watched.
    #[cfg_attr(test, schemars(with = "Option<crate::documents::Time>"))]
    pub next: Option<Timestamp>,
    /// Since when and why it fails; its last data stays in force.
    pub failing: Option<Alarm>,
}

/// One registry.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct RegistryStatus {
    /// The login server.
    pub login_server: Name,
    /// Its names.
    pub names: Vec<NameStatus>,
    /// Patterns of its names, with the addresses snooped for each.
    #[serde(default)]
    pub patterns: Vec<PatternStatus>,
    /// Whether a TLS ClientHello must name it ("required" or "off").
    #[serde(default)]
    pub sni: Sni,
}

/// A name or pattern that left its registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct RemovedName {
    /// The name or pattern.
    pub name: String,
    /// Whether a TLS ClientHello must name it ("required" or "off").
    pub sni: Sni,
}

/// A pattern of names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct PatternStatus {
    /// The pattern as written.
    pub pattern: String,
    /// Its allowed addresses.
    pub addresses: Vec<IpAddr>,
}

/// One allowed name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct NameStatus {
    /// The name.
    pub name: Name,
    /// The kind of endpoint; `None` for a name of an exception.
    pub kind: Option<EndpointKind>,
    /// The sources of the name, in words ("region eastus", "contoso.json").
    pub origin: String,
    /// When a source last listed it, if known.
    #[cfg_attr(test, schemars(with = "Option<crate::documents::Time>"))]
    pub confirmed: Option<Timestamp>,
    /// Its allowed addresses.
    pub addresses: Vec<AddressStatus>,
    /// The aliases of the last answer, in order.
    pub chain: Vec<Name>,
    /// When the last usable answer arrived.
    #[cfg_attr(test, schemars(with = "Option<crate::documents::Time>"))]
    pub resolved: Option<Timestamp>,
    /// Since when lookups fail, and the last error.
    pub failing: Option<Alarm>,
    /// Refused addresses, with the reason.
    pub refused: Vec<String>,
}

/// One allowed address.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct AddressStatus {
    /// The address.
    pub address: IpAddr,
    /// When an answer first contained it.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub first_seen: Timestamp,
    /// When an answer last contained it.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub last_seen: Timestamp,
    /// Seconds until it is removed, unless an answer contains it again.
    pub remaining: u64,
    /// Whether it is in no service tag: a sign that the tags are stale.
    pub untagged: bool,
    /// Whether the kernel snooped it and no answer to the daemon contains it.
    #[serde(default)]
    pub snooped: bool,
    /// Whether the last answers omitted it, so that `remaining` decreases.
    #[serde(default)]
    pub lingers: bool,
    /// The line of `/etc/hosts` that gives it.
    #[serde(default)]
    pub hosts_line: Option<u32>,
}

impl AddressStatus {
    /// Returns its origin in words, unless answers to the daemon gave it.
    pub fn given_by(&self) -> Option<String> {
        match self.hosts_line {
            Some(line) => Some(format!("{HOSTS} line {line}")),
            None => self.snooped.then(|| "snooped".to_owned()),
        }
    }
}

/// One exception.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct ExceptionStatus {
    /// The configured reason.
    pub reason: String,
    /// The unit or the cgroup.
    pub target: String,
    /// The cgroups that it applies to now; empty while the unit does not run.
    pub cgroups: Vec<PathBuf>,
    /// Its names with their addresses.
    pub names: Vec<NameStatus>,
    /// Its prefixes.
    pub cidrs: Vec<String>,
    /// Whether a TLS ClientHello must name one of its names ("required" or "off").
    #[serde(default)]
    pub sni: Sni,
    /// Whether it may send past the filters of network devices.
    #[serde(default)]
    pub device_bypass: bool,
    /// When it ends.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub until: Timestamp,
    /// Whether it has ended.
    pub ended: bool,
}

/// A problem that needs attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Alarm {
    /// A stable word for metrics and scripts ("tags-old", "config-refused", "name-failing", …).
    pub kind: String,
    /// When it was raised.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub since: Timestamp,
    /// The problem and its fix.
    pub message: String,
}
