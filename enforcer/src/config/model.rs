//! The validated configuration, as plain data.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Azure, Cloud, Discovery, EndpointPattern, HttpsUrl, ResourceId};
use crate::name::Name;

/// Answers with a shorter TTL are asked again no sooner than this. A resolver that caches hands out what is left of the
/// 10 s of a registry's front end, so a longer floor would leave the daemon behind the clients after every change; and an
/// answer with TTL 0 cannot make it spin.
pub const TTL_FLOOR: Duration = Duration::from_secs(1);
/// Answers with a longer TTL are asked again by then. It is the TTL of the Traffic Manager step in registry names,
/// the one that carries a failover to another region.
pub const TTL_CEILING: Duration = Duration::from_secs(300);

/// The tag of every storage account's addresses.
pub const STORAGE_TAG: &str = "Storage";
/// The tag of every registry's addresses.
pub const REGISTRY_TAG: &str = "AzureContainerRegistry";

/// A whole validated configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Drop, or report only.
    pub mode: Mode,
    /// The cgroup v2 directory that is judged; `None` means the root of the cgroup v2 mount.
    pub scope: Option<PathBuf>,
    /// What is closed.
    pub protect: Protect,
    /// What is opened.
    pub registries: Vec<Registry>,
    /// What is opened to one unit or cgroup until a date.
    pub exceptions: Vec<Exception>,
    /// How names are resolved.
    pub dns: Dns,
    /// Who asks Azure Resource Manager, and how often.
    pub azure: Azure,
    /// How replicas are looked for in DNS.
    pub discovery: Discovery,
    /// Where pins, state and sockets live.
    pub paths: Paths,
    /// What is written in an unusual form: the key, and the usual form.
    pub notes: Vec<String>,
}

/// Whether a denial drops the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Denied packets are dropped.
    #[default]
    Enforce,
    /// Denials are reported, nothing is dropped.
    Audit,
}

impl Mode {
    /// The word in the configuration, in events and in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
        }
    }
}

/// The section `[protect]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Protect {
    /// Service tags to close; a tag stands for itself and all its regional tags.
    pub tags: Vec<String>,
    /// The cloud whose tags and suffixes apply.
    pub cloud: Cloud,
    /// A published service-tags file; `None` means the bundle in the binary.
    pub service_tags: Option<PathBuf>,
    /// Where newer ones are fetched.
    pub service_tags_url: Option<HttpsUrl>,
    /// The subscription, a GUID, on whose behalf the Service Tag Discovery API is asked.
    pub service_tags_subscription: Option<String>,
    /// How often the URL and the API are asked.
    pub service_tags_poll: Duration,
    /// More prefixes to close.
    pub cidrs: Vec<IpNet>,
    /// The verdict for destinations that nothing else decides.
    pub default: DefaultAction,
    /// The age of the service tags from which on they are reported as stale.
    pub max_age: Duration,
    /// NAT64 prefixes besides `64:ff9b::/96`, of the lengths in RFC 6052 section 2.2.
    pub nat64: Vec<Ipv6Net>,
}

/// The verdict for destinations that nothing else decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefaultAction {
    /// Let through.
    #[default]
    Allow,
    /// Refuse: the host reaches what is named and nothing else.
    Deny,
}

/// One `[[registry]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// Its login server: one label below the cloud's registry suffix.
    pub login_server: Name,
    /// A name outside Azure's zones that is a CNAME of the login server.
    pub custom_domain: Option<Name>,
    /// Regions of its replicas, as they stand in data endpoint names (`eastus`).
    pub regions: Vec<String>,
    /// Whether DNS is searched for replicas in every known region.
    pub discover: bool,
    /// Its resource, for asking Azure Resource Manager.
    pub resource_id: Option<ResourceId>,
    /// Whole names of data or regional endpoints of this registry.
    pub data_endpoints: Vec<Name>,
    /// A file with what `az acr show-endpoints` prints.
    pub endpoints_file: Option<PathBuf>,
    /// `<registry>.*.data.<suffix>`: endpoints in any region, which the kernel opens as their names are resolved.
    pub patterns: Vec<EndpointPattern>,
    /// Where Private Link puts its endpoints.
    pub private_endpoints: Vec<IpNet>,
    /// Whether handshakes must name it.
    pub sni: Sni,
}

/// Whether a connection's TLS handshake must carry an allowed name that leads to its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sni {
    /// It must.
    #[default]
    Required,
    /// Any TCP to port 443 passes: whoever else has the address can be reached through it.
    Off,
}

/// One `[[exception]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Why it exists; not empty.
    pub reason: String,
    /// Whom it is for.
    pub target: Target,
    /// Names that it opens.
    pub names: Vec<Name>,
    /// Prefixes that it opens.
    pub cidrs: Vec<IpNet>,
    /// The instant at which it ends.
    pub until: Timestamp,
    /// Whether handshakes must name one of its names.
    pub sni: Sni,
}

/// Whom an exception is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A systemd unit by its full name (`agent.service`).
    Unit(String),
    /// A cgroup by its path below the cgroup v2 root (`/system.slice/agent.service`).
    Cgroup(PathBuf),
}

/// The section `[dns]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dns {
    /// The resolvers to ask and to trust; empty means the system's.
    pub servers: Vec<SocketAddr>,
    /// How long an address stays allowed after its last sighting.
    pub linger: Duration,
    /// How an answer's addresses are held against the service tags.
    pub answer_check: AnswerCheck,
    /// Whether the kernel opens the addresses of allowed names as answers come in.
    pub learn: bool,
}

/// How an answer's addresses are held against the service tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerCheck {
    /// An address of another protected tag is refused; one in no tag is accepted and reported.
    #[default]
    Known,
    /// Only addresses of the registry tag and declared private endpoints are accepted.
    Strict,
}

/// The section `[paths]`: absolute directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Where BPF links and maps are pinned.
    pub pins: PathBuf,
    /// What outlives a restart.
    pub state: PathBuf,
    /// Where the control socket is.
    pub runtime: PathBuf,
}

impl Default for Protect {
    fn default() -> Self {
        Self {
            tags: vec![STORAGE_TAG.to_owned(), REGISTRY_TAG.to_owned()],
            cloud: Cloud::default(),
            service_tags: None,
            service_tags_url: None,
            service_tags_subscription: None,
            service_tags_poll: Duration::from_hours(24),
            cidrs: Vec::new(),
            default: DefaultAction::default(),
            max_age: Duration::from_hours(90 * 24),
            nat64: Vec::new(),
        }
    }
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            linger: Duration::from_mins(15),
            answer_check: AnswerCheck::default(),
            learn: true,
        }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            pins: PathBuf::from("/sys/fs/bpf/egress-enforcer"),
            state: PathBuf::from("/var/lib/egress-enforcer"),
            runtime: PathBuf::from("/run/egress-enforcer"),
        }
    }
}

impl Config {
    /// The files besides the configuration itself that shape the policy: a change in one calls for a new evaluation.
    pub fn watched_files(&self) -> impl Iterator<Item = &Path> {
        let tags = self.protect.service_tags.as_deref();
        let endpoints = self
            .registries
            .iter()
            .filter_map(|registry| registry.endpoints_file.as_deref());
        tags.into_iter().chain(endpoints)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unit(unit) => write!(formatter, "unit {unit}"),
            Self::Cgroup(path) => write!(formatter, "cgroup {}", path.display()),
        }
    }
}
