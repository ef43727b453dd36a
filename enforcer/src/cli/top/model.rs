//! What the daemon reported, kept current.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::overview::Overview;
use super::window::{SPAN, Window};
use crate::cli::daemon_client::DaemonRun;
use crate::cli::events::Key;
use crate::cli::suggest::fragment_for;
use crate::control::{ControlError, client};
use crate::core::Status;

/// Time between two attempts to follow the events.
const RETRY: Duration = Duration::from_secs(1);

/// The status and the last denials. Two futures write it and one reads it, on one thread.
pub(super) struct Model {
    runtime: PathBuf,
    known: Mutex<Known>,
}

struct Known {
    status: Status,
    /// Why there is no newer status.
    failure: Option<String>,
    /// Why there are no newer events, unless the status has the same reason.
    refused: Option<String>,
    window: Window,
}

impl Model {
    /// Reads the status and the events of the last minutes.
    ///
    /// # Errors
    /// If the daemon does not run or refuses the caller.
    pub(super) async fn load(runtime: &Path) -> Result<Self, ControlError> {
        let status = client::get_status(runtime).await?;
        let mut window = Window::default();
        let from = Timestamp::now() - SPAN;
        client::history(runtime, from, |event| window.add(event)).await?;
        Ok(Self {
            runtime: runtime.to_owned(),
            known: Mutex::new(Known {
                status,
                failure: None,
                refused: None,
                window,
            }),
        })
    }

    /// Follows the events, and asks for the status at each `interval`, also over restarts of the daemon.
    pub(super) async fn keep_current(&self, interval: Duration) -> Infallible {
        tokio::select! {
            never = self.follow() => never,
            never = self.poll(interval) => never,
        }
    }

    async fn follow(&self) -> Infallible {
        let mut run = DaemonRun::of(&self.known().status);
        loop {
            let last = self.known().window.last();
            let add = |event| self.known().window.add(event);
            let following = client::follow(&self.runtime, last, add);
            tokio::pin!(following);
            let ended = tokio::select! {
                ended = &mut following => ended,
                () = sleep(RETRY) => {
                    // It was not refused.
                    self.known().refused = None;
                    following.await
                }
            };
            self.known().refused = ended
                .err()
                .filter(is_refusal)
                .map(|error| error.to_string());
            sleep(RETRY).await;
            if let Ok(found) = DaemonRun::find(&self.runtime).await
                && found != run
            {
                run = found;
                self.known().window.begin_again();
            }
        }
    }

    async fn poll(&self, interval: Duration) -> Infallible {
        loop {
            sleep(interval).await;
            let answer = client::get_status(&self.runtime).await;
            let mut known = self.known();
            match answer {
                Ok(status) => {
                    known.status = status;
                    known.failure = None;
                }
                Err(error) => known.failure = Some(error.to_string()),
            }
        }
    }

    /// Returns what to show at `now`.
    pub(super) fn overview(&self, now: Timestamp, filter: &str) -> Overview {
        let mut known = self.known();
        known.window.expire(now);
        let rows = known.window.rows(now);
        let failure = known.failure.clone().or_else(|| known.refused.clone());
        Overview::new(&known.status, failure, rows, now).filtered(filter)
    }

    /// Returns the configuration that would allow the denials of one sum.
    pub(super) fn fragment(&self, key: &Key) -> String {
        let known = self.known();
        fragment_for(&known.window.events_of(key), &known.status)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the daemon runs, and refuses to send events or sends some that this version cannot read.
fn is_refusal(error: &ControlError) -> bool {
    !matches!(
        error,
        ControlError::NotRunning { .. } | ControlError::Broken { .. } | ControlError::Late { .. }
    )
}
