//! The state of the daemon as `/status` and `/events` report it, and as the command line prints it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::counters::Counters;
use crate::config::{EndpointKind, Mode, Sni};
use crate::name::Name;
use crate::resolver::hosts::HOSTS;

/// `GET /status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// The version of the daemon.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started: Timestamp,
    /// Enforce or audit.
    pub mode: Mode,
    /// Whether the run ends with its process.
    pub ephemeral: bool,
    /// The cgroup that it governs, with all below it.
    pub scope: PathBuf,
    /// The hooks that are attached.
    pub hooks: Vec<String>,
    /// Policies applied since the maps were made.
    pub generation: u64,
    /// When the last one was.
    pub applied: Timestamp,
    /// The configuration in force; `None` where the command line gave it.
    pub config: Option<PathBuf>,
    /// What is open where nothing closes it.
    pub default_allow: bool,
    /// DNS answers to allowed names that the kernel read, by outcome; empty where it snoops none.
    #[serde(default)]
    pub dns_observations: BTreeMap<String, u64>,
    /// What the configuration allows that it need not, a sentence each.
    #[serde(default)]
    pub weaknesses: Vec<String>,
    /// The protected set.
    pub tags: TagsStatus,
    /// Where names and prefixes come from while the daemon runs.
    pub sources: Vec<SourceStatus>,
    /// The registries with their names and addresses.
    pub registries: Vec<RegistryStatus>,
    /// The exceptions.
    pub exceptions: Vec<ExceptionStatus>,
    /// DNS servers that are asked, with their ports.
    pub resolvers: Vec<String>,
    /// What needs somebody's attention.
    pub alarms: Vec<Alarm>,
    /// What the programs counted.
    pub counters: Counters,
}

/// The protected set in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TagsStatus {
    /// "public", "us-government" or "china".
    pub cloud: String,
    /// The tags that are closed.
    pub names: Vec<String>,
    /// The change number of the service-tags file.
    pub change_number: u32,
    /// Its day, where it is known (ISO 8601).
    pub date: Option<String>,
    /// Its age in days, where the date is known.
    pub age_days: Option<u64>,
    /// Older than this many days raises an alarm.
    pub max_age_days: u64,
    /// "bundle", or the file.
    pub source: String,
    /// What the bundle in the binary is made of; empty from a daemon that does not say.
    #[serde(default)]
    pub bundle: String,
    /// Aggregated IPv4 prefixes.
    pub ipv4_prefixes: usize,
    /// Aggregated IPv6 prefixes.
    pub ipv6_prefixes: usize,
    /// More prefixes that are closed, from the configuration.
    pub cidrs: Vec<String>,
    /// Prefixes that the Service Tag Discovery API added to those of the file.
    pub added_by_api: usize,
    /// The last switch to other prefixes since the daemon started.
    pub changed: Option<TagsChange>,
}

/// A switch of the protected set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TagsChange {
    /// When.
    pub at: Timestamp,
    /// The change number before.
    pub from: u32,
    /// The change number since.
    pub to: u32,
    /// Aggregated prefixes that came.
    pub added: usize,
    /// Aggregated prefixes that went.
    pub removed: usize,
    /// Milliseconds that compiling, writing, reading back and switching took.
    pub took_ms: u64,
}

impl std::fmt::Display for TagsChange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "from change {} to {}: {} prefixes came, {} went, in {} ms",
            self.from, self.to, self.added, self.removed, self.took_ms
        )
    }
}

/// A source of names or prefixes that can change while the daemon runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceStatus {
    /// "endpoints-file", "resource-manager", "dns-discovery", "service-tags-file", "service-tags-url" or "service-tags-api".
    pub kind: String,
    /// The file, the resource id, the URL or the subscription; for discovery, the login server.
    pub source: String,
    /// The login server of the registry that it is about; `None` for service tags.
    pub registry: Option<Name>,
    /// When it was last read, and found good.
    pub confirmed: Option<Timestamp>,
    /// When it is asked again at the latest; `None` where it is watched.
    pub next: Option<Timestamp>,
    /// Since when it fails, and why; what it last said stays in force.
    pub failing: Option<Alarm>,
}

/// One registry.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegistryStatus {
    /// The login server.
    pub login_server: Name,
    /// Its names.
    pub names: Vec<NameStatus>,
    /// Patterns of its names, with the addresses that were learned for each.
    #[serde(default)]
    pub patterns: Vec<PatternStatus>,
    /// Whether handshakes must name it ("required" or "off").
    #[serde(default)]
    pub sni: Sni,
}

/// A pattern of names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PatternStatus {
    /// As it is written.
    pub pattern: String,
    /// Addresses that are open for it.
    pub addresses: Vec<IpAddr>,
}

/// One allowed name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NameStatus {
    /// The name.
    pub name: Name,
    /// What it serves; `None` for a name of an exception.
    pub kind: Option<EndpointKind>,
    /// Where the name came from, in words ("region eastus", "contoso.json"), each source of it.
    pub origin: String,
    /// When a source last named it, where that is known.
    pub confirmed: Option<Timestamp>,
    /// Addresses that are open for it.
    pub addresses: Vec<AddressStatus>,
    /// The aliases of the last answer, in order.
    pub chain: Vec<Name>,
    /// The last answer that could be used.
    pub resolved: Option<Timestamp>,
    /// Since when lookups fail, and why the last one did.
    pub failing: Option<Alarm>,
    /// Addresses that were refused, with the reason.
    pub refused: Vec<String>,
}

/// One open address.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AddressStatus {
    /// The address.
    pub address: IpAddr,
    /// When an answer first held it.
    pub first_seen: Timestamp,
    /// When an answer last held it.
    pub last_seen: Timestamp,
    /// Seconds until it goes, if no answer holds it again.
    pub remaining: u64,
    /// In no service tag: a sign that the tags are stale.
    pub untagged: bool,
    /// Snooped by the kernel from an answer to a program, and in none to the daemon.
    #[serde(default)]
    pub snooped: bool,
    /// Whether the last answers left it out, so that `remaining` runs.
    #[serde(skip)]
    pub lingers: bool,
    /// The line of `/etc/hosts` that gives it.
    #[serde(default)]
    pub hosts_line: Option<u32>,
}

impl AddressStatus {
    /// What gives it beside answers to the daemon, in words.
    pub fn given_by(&self) -> Option<String> {
        match self.hosts_line {
            Some(line) => Some(format!("{HOSTS} line {line}")),
            None => self.snooped.then(|| "snooped".to_owned()),
        }
    }
}

/// One exception.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ExceptionStatus {
    /// Why it is there.
    pub reason: String,
    /// The unit or the cgroup.
    pub target: String,
    /// The cgroups that it applies to now; none while the unit does not run.
    pub cgroups: Vec<PathBuf>,
    /// Its names with their addresses.
    pub names: Vec<NameStatus>,
    /// Its prefixes.
    pub cidrs: Vec<String>,
    /// When it ends.
    pub until: Timestamp,
    /// Whether it has ended.
    pub ended: bool,
}

/// Something that needs attention, since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Alarm {
    /// A stable word for metrics and scripts ("tags-old", "config-refused", "name-failing", …).
    pub kind: String,
    /// Since when.
    pub since: Timestamp,
    /// What is wrong, and the fix.
    pub message: String,
}
