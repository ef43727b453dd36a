//! The whole file: its top-level keys and its sections.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::azure::{Azure, RawAzure};
use super::discovery::{Discovery, RawDiscovery};
use super::dns::{Dns, RawDns};
use super::exception::{Exception, RawException};
use super::faults::{Faults, Validated};
use super::frames::{Frames, RawFrames};
use super::log::{Log, RawLog};
use super::metrics::{Metrics, RawMetrics};
use super::paths::{Paths, RawPaths};
use super::protect::{Protect, RawProtect};
use super::registry::{RawRegistry, Registry, registries};
use super::value::{Absolute, Located, Text};

/// A whole validated configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Whether a denial drops the packet.
    pub mode: Mode,
    /// The cgroup v2 directory that the policy applies to; `None` means the root of the cgroup v2 mount.
    pub scope: Option<PathBuf>,
    /// The protected destinations.
    pub protect: Protect,
    /// The allowed registries.
    pub registries: Vec<Registry>,
    /// What one unit or cgroup may reach until a date.
    pub exceptions: Vec<Exception>,
    /// Name resolution.
    pub dns: Dns,
    /// Queries to Azure Resource Manager.
    pub azure: Azure,
    /// The search for replicas in DNS.
    pub discovery: Discovery,
    /// Filters at network devices.
    pub frames: Frames,
    /// The page of metrics.
    pub metrics: Metrics,
    /// Where events are kept, and who else receives them.
    pub log: Log,
    /// Directories of pins, state and sockets.
    pub paths: Paths,
    /// Values in an unusual form: the key, and the usual form.
    pub notes: Vec<String>,
}

/// Whether a denial drops the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Denied packets are dropped.
    #[default]
    Enforce,
    /// Denials are reported, and nothing is dropped.
    Audit,
}

/// Keys before the first section.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawConfig {
    /// Whether denied packets are dropped or only reported.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &"audit"))]
    mode: Mode,
    /// The cgroup v2 directory whose processes, and those of the cgroups below it, the policy applies to.
    ///
    /// Default: the root of the cgroup v2 mount, which is every process of the host.
    #[cfg_attr(test, schemars(example = &"/sys/fs/cgroup/plant.slice"))]
    scope: Option<Text<Absolute>>,
    #[serde(default)]
    protect: RawProtect,
    #[cfg_attr(test, schemars(required))]
    registry: Option<Vec<Located<RawRegistry>>>,
    #[serde(default)]
    exception: Vec<Located<RawException>>,
    #[serde(default)]
    dns: RawDns,
    azure: Option<Located<RawAzure>>,
    #[serde(default)]
    discovery: RawDiscovery,
    #[serde(default)]
    frames: RawFrames,
    #[serde(default)]
    metrics: RawMetrics,
    #[serde(default)]
    log: RawLog,
    #[serde(default)]
    paths: RawPaths,
}

impl Mode {
    /// Returns the mode as the configuration, events and metrics spell it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
        }
    }
}

impl Validated for Config {
    fn set_notes(&mut self, notes: Vec<String>) {
        self.notes = notes;
    }
}

impl RawConfig {
    /// Validates the file; relative files are relative to `base`. The configuration is valid only if no fault is added to `faults`.
    pub(super) fn validate(self, base: &Path, faults: &mut Faults) -> Config {
        if self.registry.is_none() && !faults.is_skipped("registry") {
            faults.add(
                &(0..0),
                "there is no [[registry]]; name one, or write registry = [] at the top if this host pulls from none",
            );
        }
        let protect = self.protect.validate(base, faults);
        let mut exceptions = Vec::with_capacity(self.exception.len());
        for raw in self.exception {
            exceptions.extend(RawException::validate(raw, &protect.nat64, faults));
        }
        let is_host = self.scope.is_none();
        Config {
            mode: self.mode,
            scope: self.scope.map(|Text(Absolute(path))| path),
            registries: registries(self.registry.unwrap_or_default(), &protect, base, faults),
            exceptions,
            protect,
            dns: self.dns.validate(faults),
            azure: RawAzure::validate(self.azure, base, faults),
            discovery: self.discovery.validate(faults),
            frames: self.frames.validate(is_host),
            metrics: self.metrics.validate(faults),
            log: self.log.validate(faults),
            paths: self.paths.validate(),
            notes: Vec::new(),
        }
    }
}

impl Config {
    /// Returns the files besides the configuration itself that shape the policy: a change in one requires a new evaluation.
    pub fn watched_files(&self) -> impl Iterator<Item = &Path> {
        let tags = self.protect.service_tags.as_deref();
        let endpoints = self
            .registries
            .iter()
            .filter_map(|registry| registry.endpoints_file.as_deref());
        tags.into_iter().chain(endpoints)
    }
}
