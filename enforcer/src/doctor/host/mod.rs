//! Whether this host has what the enforcer needs: kernel, file systems, privileges, clock, configuration, service tags, resolvers, service.

pub(crate) mod configuration;
mod exclusive;
pub(super) mod resolvers;
mod service;
mod service_tags;

use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;

use crate::bpf::{Check, Pins, probe};
use crate::config::{self, Config, Paths};
use crate::control::Status;

/// The configuration and the daemon that the checks look at.
pub(crate) struct Host<'a> {
    /// The configuration file.
    pub(crate) file: &'a Path,
    /// Whether that file was not named by the user and does not exist.
    pub(crate) is_unconfigured: bool,
    /// Pins, state and runtime directories.
    pub(crate) paths: Paths,
    /// The daemon's status; `Ok(None)` where no daemon runs.
    pub(crate) status: Result<Option<Status>>,
}

impl Host<'_> {
    /// The valid configuration; an invalid one is a failed check of its own.
    fn config(&self) -> Option<Config> {
        config::load(self.file).ok()
    }

    /// The status of a daemon that runs and answers.
    pub(super) fn running(&self) -> Option<&Status> {
        self.status.as_ref().ok()?.as_ref()
    }
}

/// Checks the host at `now`.
///
/// # Errors
/// Where no resolver can be queried.
pub(crate) async fn check(host: &Host<'_>, now: Timestamp) -> Result<Vec<Check>> {
    let config = host.config();
    let mut checks = probe(&Pins::new(&host.paths.pins));
    checks.extend(exclusive::check(config.as_ref()));
    checks.push(configuration::check_clock(now)?);
    checks.push(configuration::check(host));
    checks.extend(service_tags::check(host, now));
    checks.extend(resolvers::check(config.as_ref()).await?);
    checks.extend(host.running().and_then(resolvers::check_dns_snooping));
    checks.extend(service::check());
    Ok(checks)
}
