//! The section `[paths]`.

use std::path::PathBuf;

use serde::Deserialize;

use super::faults::Validated;
use super::value::{Absolute, Text};

/// The section `[paths]`: absolute directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Directory of the pinned BPF links and maps.
    pub pins: PathBuf,
    /// Directory of the files that survive a restart.
    pub state: PathBuf,
    /// Directory of the control socket.
    pub runtime: PathBuf,
}

/// Absolute directories. Several instances can run side by side, each with its own.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawPaths {
    /// Directory on a BPF file system where programs and maps are pinned, so that they outlive the daemon.
    #[cfg_attr(test, schemars(example = &"/sys/fs/bpf/plant", extend("default" = "/sys/fs/bpf/egress-enforcer")))]
    pins: Option<Text<Absolute>>,
    /// Directory of the files that survive a restart of the host.
    #[cfg_attr(test, schemars(example = &"/var/lib/plant", extend("default" = "/var/lib/egress-enforcer")))]
    state: Option<Text<Absolute>>,
    /// Directory of the control socket.
    #[cfg_attr(test, schemars(example = &"/run/plant", extend("default" = "/run/egress-enforcer")))]
    runtime: Option<Text<Absolute>>,
}

/// A file of which only `[paths]` is read.
#[derive(Deserialize)]
pub(super) struct RawPathsOnly {
    #[serde(default)]
    pub(super) paths: RawPaths,
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

impl Validated for Paths {
    fn set_notes(&mut self, _notes: Vec<String>) {}
}

impl RawPaths {
    /// Fills in the defaults.
    pub(super) fn validate(self) -> Paths {
        let defaults = Paths::default();
        let path = |path: Option<Text<Absolute>>| path.map(|Text(Absolute(path))| path);
        Paths {
            pins: path(self.pins).unwrap_or(defaults.pins),
            state: path(self.state).unwrap_or(defaults.state),
            runtime: path(self.runtime).unwrap_or(defaults.runtime),
        }
    }
}
