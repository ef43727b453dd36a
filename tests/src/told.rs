//! What the daemon of a lab tells over its control socket, with no command line between.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use enforcer::control::{EventRecord, Status, client};

use crate::enforcer::Enforcer;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);

impl Enforcer {
    /// The daemon's whole state.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn told(&self) -> Result<Status> {
        wait_for(client::get_status(&self.runtime()))
    }

    /// The events that the daemon holds, oldest first.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn events(&self) -> Result<Vec<EventRecord>> {
        wait_for(client::events(&self.runtime(), 0))
    }

    /// The metrics as Prometheus gets them.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn metrics(&self) -> Result<String> {
        wait_for(client::get_text(&self.runtime(), "/metrics"))
    }

    /// Asks until `condition` holds, at most `limit` long, and returns the state that made it hold.
    ///
    /// # Errors
    /// When the daemon does not answer, or `what` does not come about.
    pub fn await_told(
        &self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&Status) -> bool,
    ) -> Result<Status> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.told().with_context(|| self.log())?;
            if condition(&status) {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("not within {limit:?}: {what}\n{status:#?}\n{}", self.log());
            }
            thread::sleep(PAUSE);
        }
    }
}

fn wait_for<T, E>(answer: impl Future<Output = Result<T, E>>) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("make a runtime for the control socket")?;
    Ok(runtime.block_on(answer)?)
}
