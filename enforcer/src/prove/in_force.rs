//! What a proof is about.

use std::path::PathBuf;

use anyhow::Result;
use jiff::Timestamp;

use crate::config::Paths;
use crate::core::{EventRecord, Status};
use crate::sources::Sources;
use crate::sys::{Cgroup, cgroup_root};

/// What to do about programs and maps that are not as they should be.
pub(super) const RESTART: &str =
    "restart the service (systemctl restart egress-enforcer), then run it again";

/// A configuration, and the daemon that enforces it.
pub(crate) struct InForce {
    /// The configuration file.
    pub(crate) file: PathBuf,
    /// Pins, state and runtime directories.
    pub(crate) paths: Paths,
    /// The configuration with the files that it names.
    pub(crate) sources: Sources,
    /// The status of the daemon; `None` if none runs.
    pub(crate) status: Option<Status>,
    /// What differs between the configuration and what the daemon enforces, in words.
    pub(crate) differences: Vec<String>,
    /// The events that the daemon holds.
    pub(crate) events: Vec<EventRecord>,
    /// Asks the daemon for its events since a time.
    pub(crate) events_since: fn(&Paths, Timestamp) -> Vec<EventRecord>,
    /// Asks the daemon for its status again.
    pub(crate) refresh: fn(&Paths) -> Option<Status>,
}

impl InForce {
    /// The directory of the cgroup in which the policy is in force.
    pub(super) fn scope(&self) -> Result<PathBuf> {
        let root = cgroup_root()?;
        let scope = match &self.status {
            Some(status) => Some(&status.scope),
            None => self.sources.config.scope.as_ref(),
        };
        Ok(Cgroup::open(&root, scope.unwrap_or(&root))?.path)
    }
}
