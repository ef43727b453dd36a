//! Notifies the service manager (sd_notify(3)) of the state and sends watchdog heartbeats; does nothing without a service manager.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// The service manager that the environment configures: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
#[derive(Debug)]
pub(super) struct Service {
    /// Interval between heartbeats: half of the watchdog timeout.
    interval: Option<Duration>,
    next_beat: Instant,
    status: String,
}

impl Service {
    /// Reads the environment; sends nothing.
    pub(super) fn of_environment() -> Self {
        let timeout = sd_notify::watchdog_enabled().filter(|timeout| !timeout.is_zero());
        Self {
            interval: timeout.map(|timeout| timeout / 2),
            next_beat: Instant::now(),
            status: String::new(),
        }
    }

    /// Notifies that the policy is enforced, with `status`.
    pub(super) fn ready(&mut self, status: String) {
        notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.status = status;
    }

    /// Notifies of a reload. systemd 253 and newer compare the time with that of their request.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(moment) => notify(&[NotifyState::Reloading, moment]),
            Err(error) => tracing::debug!("the clock does not tell: {error}"),
        }
    }

    /// Notifies that the daemon stops.
    pub(super) fn stopping(&self) {
        notify(&[NotifyState::Stopping]);
    }

    /// Notifies of the status, if it changed.
    pub(super) fn status(&mut self, status: String) {
        if status != self.status {
            notify(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// Returns when the next heartbeat is due.
    pub(super) fn next_beat(&self) -> Option<Instant> {
        self.interval.map(|_| self.next_beat)
    }

    /// Sends a heartbeat, if one is due.
    pub(super) fn beat(&mut self) {
        let now = Instant::now();
        if let Some(interval) = self.interval
            && now >= self.next_beat
        {
            notify(&[NotifyState::Watchdog]);
            self.next_beat = now + interval;
        }
    }
}

fn notify(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("the service manager does not listen: {error}");
    }
}
