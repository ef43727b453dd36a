//! What the service manager is told (sd_notify(3)), and the heartbeat that it expects. Nothing where no service manager started the daemon.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// The service manager.
#[derive(Debug)]
pub(super) struct Service {
    line: Option<(UnixDatagram, SocketAddr)>,
    /// Between two heartbeats: half of what the service manager waits.
    interval: Option<Duration>,
    next_beat: Instant,
    status: String,
}

impl Service {
    /// The service manager that the environment names: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    pub(super) fn of_environment() -> Self {
        let line = env::var_os("NOTIFY_SOCKET").and_then(|socket| {
            open(&socket)
                .inspect_err(|error| tracing::warn!("NOTIFY_SOCKET is of no use: {error}"))
                .ok()
        });
        let variable = |name| env::var(name).ok();
        let interval = interval(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"));
        Self {
            interval: interval.filter(|_| line.is_some()),
            line,
            next_beat: Instant::now(),
            status: String::new(),
        }
    }

    /// It is enforced, by `status`.
    pub(super) fn ready(&mut self, status: String) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
        self.status = status;
    }

    /// The configuration is read anew. systemd 253 and newer hold the moment (`CLOCK_MONOTONIC`) against that of their order.
    pub(super) fn reloading(&self) {
        let moment = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        let moment = moment.unwrap_or_default().as_micros();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={moment}"));
    }

    /// The daemon ends.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Tells the status where it is another than the last one.
    pub(super) fn status(&mut self, status: String) {
        if status != self.status {
            self.tell(&format!("STATUS={status}"));
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
            self.tell("WATCHDOG=1");
            self.next_beat = now + interval;
        }
    }

    fn tell(&self, state: &str) {
        let Some((socket, manager)) = &self.line else {
            return;
        };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), manager) {
            tracing::debug!("the service manager does not listen: {error}");
        }
    }
}

/// A socket to send from, and where to: a path, or an abstract name behind an `@`. Nobody waits for a service manager that hangs.
fn open(name: &OsString) -> io::Result<(UnixDatagram, SocketAddr)> {
    let manager = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, manager))
}

/// Half of the watchdog's time (microseconds), where it is meant for this process.
fn interval(microseconds: Option<String>, process: Option<String>) -> Option<Duration> {
    let own = std::process::id().to_string();
    if process.is_some_and(|process| process != own) {
        return None;
    }
    let microseconds: u64 = microseconds?.parse().ok()?;
    (microseconds > 0).then(|| Duration::from_micros(microseconds) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heartbeat_comes_twice_in_the_watchdogs_time() {
        let of = |time: &str, process: Option<u32>| {
            let process = process.map(|process| process.to_string());
            interval(Some(time.to_owned()), process)
        };
        let own = std::process::id();
        assert_eq!(of("60000000", None), Some(Duration::from_secs(30)));
        assert_eq!(of("60000000", Some(own)), Some(Duration::from_secs(30)));
        assert_eq!(of("60000000", Some(own + 1)), None, "another process's");
        assert_eq!(of("0", None), None);
        assert_eq!(of("soon", None), None);
        assert_eq!(interval(None, None), None);
    }

    #[test]
    fn both_kinds_of_socket_names_are_taken() {
        let (_, path) = open(&"/run/systemd/notify".into()).unwrap();
        assert!(path.as_pathname().is_some());
        let (_, name) = open(&"@systemd".into()).unwrap();
        assert_eq!(name.as_abstract_name(), Some(&b"systemd"[..]));
        assert!(open(&"/".repeat(200).into()).is_err());
    }
}
