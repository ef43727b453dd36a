//! The state of the daemon as `/status` and `/events` tell it, and as the command line prints it.

use std::net::IpAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::{EndpointKind, Mode};
use crate::kernel::Counters;
use crate::name::Name;

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
    /// The protected set.
    pub tags: TagsStatus,
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
    /// Aggregated IPv4 prefixes.
    pub ipv4_prefixes: usize,
    /// Aggregated IPv6 prefixes.
    pub ipv6_prefixes: usize,
    /// More prefixes that are closed, from the configuration.
    pub cidrs: Vec<String>,
}

/// One registry.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegistryStatus {
    /// The login server.
    pub login_server: Name,
    /// Its names.
    pub names: Vec<NameStatus>,
}

/// One allowed name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NameStatus {
    /// The name.
    pub name: Name,
    /// What it serves; `None` for a name of an exception.
    pub kind: Option<EndpointKind>,
    /// Where the name came from, in words ("region eastus", "contoso.json").
    pub origin: String,
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
    /// What is wrong, and the mend.
    pub message: String,
}

/// One line of `GET /events`: a denial, or the fold of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EventRecord {
    /// Counts the events of this daemon; a reader that knows the last one asks for what came after.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// "deny", or "audit" where it was let through.
    pub verdict: String,
    /// [`enforcer_common::Reason::word`].
    pub reason: String,
    /// Where it went.
    pub destination: IpAddr,
    /// The port, where there is one.
    pub port: Option<u16>,
    /// "tcp", "udp", "icmp", or the IP protocol number.
    pub protocol: String,
    /// Allowed names that resolve there.
    pub names: Vec<Name>,
    /// The hook that judged.
    pub hook: String,
    /// The process, where it is known.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: Option<u32>,
    /// Its command name.
    pub command: Option<String>,
    /// Its program, while it runs.
    pub executable: Option<PathBuf>,
    /// The path of its cgroup.
    pub cgroup: Option<PathBuf>,
    /// The systemd unit, from the cgroup.
    pub unit: Option<String>,
    /// The container's id, from the cgroup.
    pub container: Option<String>,
    /// Denials like this one since the event before it.
    pub folded: u64,
}
