//! Asking the daemon.

use std::future::Future;

use anyhow::{Context as _, Result};
use tokio::runtime::Builder;

use crate::config::Paths;
use crate::control::client::get_status;
use crate::control::{ControlError, Status};

/// Runs `future` to its end on this thread.
pub(super) fn wait_for<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the event loop")?;
    Ok(runtime.block_on(future))
}

/// What the daemon tells.
///
/// # Errors
/// Where it does not run, or does not answer.
pub(super) fn status(paths: &Paths) -> Result<Status> {
    Ok(wait_for(get_status(&paths.runtime))??)
}

/// What the daemon tells; `None` where none runs.
///
/// # Errors
/// Where it runs and does not answer, or may not be asked.
pub(super) fn status_if_running(paths: &Paths) -> Result<Option<Status>> {
    match wait_for(get_status(&paths.runtime))? {
        Ok(status) => Ok(Some(status)),
        Err(ControlError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
