//! `events --follow`: new events, also over restarts of the daemon.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::line::{EventLine, Zone};
use super::selection::Selection;
use crate::cli::daemon_client::DaemonRun;
use crate::cli::exit::complain;
use crate::cli::printer::Printer;
use crate::control::{ControlError, client};
use crate::core::EventRecord;

/// Time between two attempts to reach the daemon.
const RETRY: Duration = Duration::from_secs(1);

/// Prints selected events until the output is closed.
///
/// # Errors
/// If the daemon cannot be reached at first, or the output not written.
pub(super) async fn follow(
    runtime: &Path,
    selection: &Selection<'_>,
    zone: &Zone,
    mut printer: Printer,
) -> Result<()> {
    let mut daemon = DaemonRun::find(runtime).await?;
    printer.header(&EventLine::header(zone))?;
    let mut after = selection.after();
    let mut printed = Printed {
        sequence: after,
        time: Timestamp::now(),
        is_other_daemon: false,
    };
    loop {
        let stop = Notify::new();
        let mut outcome = Ok(());
        let each = |event: EventRecord| {
            if !printed.is_new(&event) {
                return;
            }
            if outcome.is_ok() && selection.selects(&event) {
                let line = EventLine { event, zone };
                let style = line.style();
                outcome = printer.styled(&line, style);
            }
            if outcome.is_err() || printer.is_closed() {
                stop.notify_one();
            }
        };
        tokio::select! {
            followed = client::follow(runtime, after, each) => {
                match followed {
                    Ok(()) | Err(ControlError::NotRunning { .. } | ControlError::Broken { .. } | ControlError::Late { .. }) => {}
                    Err(refused) => return Err(refused.into()),
                }
            }
            () = stop.notified() => return outcome.context("cannot print"),
        }
        complain(
            "the connection to the daemon ended: waiting for it; the kernel enforces meanwhile as before",
        );
        let next = await_any(runtime).await;
        after = printed.sequence;
        if next != daemon {
            // Without an event log, it numbers its own events from the first.
            after = 0;
            printed.is_other_daemon = true;
            daemon = next;
            complain(format_args!("the daemon is back (process {})", daemon.pid));
        }
    }
}

/// The last event that was read, or that `--since` names.
struct Printed {
    sequence: u64,
    time: Timestamp,
    /// Whether the daemon may repeat events that an earlier one reported.
    is_other_daemon: bool,
}

impl Printed {
    /// Returns whether the event was not read before, and remembers it.
    fn is_new(&mut self, event: &EventRecord) -> bool {
        let is_repeated =
            self.is_other_daemon && event.sequence <= self.sequence && event.time <= self.time;
        if !is_repeated {
            self.is_other_daemon = false;
            self.sequence = event.sequence;
            self.time = event.time;
        }
        !is_repeated
    }
}

/// Waits until a daemon answers, and reports once if none does.
async fn await_any(runtime: &Path) -> DaemonRun {
    let mut is_reported = false;
    loop {
        tokio::time::sleep(RETRY).await;
        match DaemonRun::find(runtime).await {
            Ok(found) => return found,
            Err(_unreachable) if is_reported => {}
            Err(error) => {
                is_reported = true;
                complain(format_args!(
                    "waiting for the daemon, the kernel enforces meanwhile as before: {error:#}"
                ));
            }
        }
    }
}
