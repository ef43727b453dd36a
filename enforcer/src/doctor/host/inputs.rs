//! The inputs of the checks of this host.

use std::path::Path;

use anyhow::Result;

use crate::config::{self, Config, Paths};
use crate::core::Status;

/// The configuration and the daemon of this host.
pub(crate) struct Host<'a> {
    /// The configuration file.
    pub(crate) file: &'a Path,
    /// Whether that file was not named by the user and does not exist.
    pub(crate) is_unconfigured: bool,
    /// Pins, state and runtime directories.
    pub(crate) paths: Paths,
    /// The daemon's status; `Ok(None)` if no daemon runs.
    pub(crate) status: Result<Option<Status>>,
}

impl Host<'_> {
    /// Returns the configuration if it is valid; another check reports an invalid one.
    pub(super) fn config(&self) -> Option<Config> {
        config::load(self.file).ok()
    }

    /// Returns the status of the daemon if it runs and answers.
    pub(in crate::doctor) fn running(&self) -> Option<&Status> {
        self.status.as_ref().ok()?.as_ref()
    }
}
