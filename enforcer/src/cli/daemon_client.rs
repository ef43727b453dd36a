//! Blocking requests to the daemon.

use std::future::Future;
use std::path::Path;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use tokio::runtime::Builder;

use crate::config::Paths;
use crate::control::ControlError;
use crate::control::client::{get_status, history};
use crate::core::{EventRecord, Status};

/// Runs `future` to its end on this thread.
pub(super) fn wait_for<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the event loop")?;
    Ok(runtime.block_on(future))
}

/// Returns the daemon's status.
///
/// # Errors
/// Where no daemon runs, or it does not answer.
pub(super) fn status(paths: &Paths) -> Result<Status> {
    Ok(wait_for(get_status(&paths.runtime))??)
}

/// Returns the events of this host since `from`, also of earlier daemons.
///
/// # Errors
/// Where no daemon runs, or it does not answer.
pub(super) fn events_since(paths: &Paths, from: Timestamp) -> Result<Vec<EventRecord>> {
    let mut events = Vec::new();
    wait_for(history(&paths.runtime, from, |event| events.push(event)))??;
    Ok(events)
}

/// Returns the daemon's status; `None` where no daemon runs.
///
/// # Errors
/// Where it runs but does not answer, or denies access.
pub(super) fn status_if_running(paths: &Paths) -> Result<Option<Status>> {
    match wait_for(get_status(&paths.runtime))? {
        Ok(status) => Ok(Some(status)),
        Err(ControlError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Which run of the daemon answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DaemonRun {
    pub(super) pid: u32,
    started: Timestamp,
}

impl DaemonRun {
    /// Asks the daemon.
    ///
    /// # Errors
    /// Where no daemon runs, or it does not answer.
    pub(super) async fn find(runtime: &Path) -> Result<Self, ControlError> {
        Ok(Self::of(&get_status(runtime).await?))
    }

    /// Returns the run that a status is of.
    pub(super) fn of(status: &Status) -> Self {
        Self {
            pid: status.pid,
            started: status.started,
        }
    }
}
