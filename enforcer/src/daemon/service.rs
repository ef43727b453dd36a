//! What the service manager is told (sd_notify(3)), and the heartbeat that it expects. Nothing where no service manager started the daemon.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// The service manager that the environment names: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
#[derive(Debug)]
pub(super) struct Service {
    /// Between two heartbeats: half of what the service manager waits.
    interval: Option<Duration>,
    next_beat: Instant,
    status: String,
}

impl Service {
    /// Nothing is told yet.
    pub(super) fn of_environment() -> Self {
        let patience = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero());
        Self {
            interval: patience.map(|patience| patience / 2),
            next_beat: Instant::now(),
            status: String::new(),
        }
    }

    /// It is enforced, by `status`.
    pub(super) fn ready(&mut self, status: String) {
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.status = status;
    }

    /// The configuration is read anew. systemd 253 and newer hold the moment against that of their order.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(moment) => tell(&[NotifyState::Reloading, moment]),
            Err(error) => tracing::debug!("the clock does not tell: {error}"),
        }
    }

    /// The daemon ends.
    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// Tells the status where it is another than the last one.
    pub(super) fn status(&mut self, status: String) {
        if status != self.status {
            tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// When the next heartbeat is due.
    pub(super) fn next_beat(&self) -> Option<Instant> {
        self.interval.map(|_| self.next_beat)
    }

    /// A heartbeat, where one is due.
    pub(super) fn beat(&mut self) {
        let now = Instant::now();
        if let Some(interval) = self.interval
            && now >= self.next_beat
        {
            tell(&[NotifyState::Watchdog]);
            self.next_beat = now + interval;
        }
    }
}

fn tell(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("the service manager does not listen: {error}");
    }
}
