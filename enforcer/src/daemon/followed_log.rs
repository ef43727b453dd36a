//! What the daemon last asked of its event log, and what it last reported about it.

use std::path::PathBuf;

use super::log_keeper::LogFailures;
use crate::config::{Config, Log};

/// The state directory and the log that events are kept in, and what prevents it.
#[derive(Debug)]
pub(super) struct FollowedLog {
    pub(super) wanted: (PathBuf, Log),
    pub(super) failures: LogFailures,
}

impl FollowedLog {
    /// The log of the configuration that the daemon starts with.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            wanted: (config.paths.state.clone(), config.log.clone()),
            failures: LogFailures::default(),
        }
    }
}
