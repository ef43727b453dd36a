//! Time from `exec` to enforcement, observed by a process in the scope that connects continuously.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use lab::{
    Lab,
    fixtures::{enforcer::Enforcer, process::run},
};
use nix::time::{ClockId, clock_gettime};
use socket2::{Domain, SockAddr, Socket, Type};

/// Interval between attempts.
const POLL: Duration = Duration::from_micros(500);
/// Head start of the connecting process before the daemon.
const HEAD_START: Duration = Duration::from_millis(150);
/// Maximum number of attempts.
const ATTEMPTS: u32 = 20_000;

/// The durations of one start in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// From before `exec` until a `connect` to a protected address is refused.
    pub(crate) enforcing: f64,
    /// Processor time of the daemon until it answers on its socket, shortly after. It depends little on the machine's load.
    pub(crate) processor: f64,
}

/// Starts the daemon without pins, while a process in the scope tries to connect to `denied`. The packet hook is attached
/// before the hook that refuses the connection.
///
/// # Errors
/// When it does not start to enforce.
pub(crate) fn measure(lab: &Lab, enforcer: &mut Enforcer, denied: IpAddr) -> Result<Start> {
    let mut command = lab.device().command(std::env::current_exe()?);
    command.arg("probe").arg(denied.to_string());
    thread::scope(|scope| {
        let probe = scope.spawn(|| run(command, Duration::from_secs(30))?.success());
        thread::sleep(HEAD_START);
        let started = now()?;
        enforcer.run()?;
        let processor = processor_time(enforcer.pid()?)?;
        let output = probe
            .join()
            .ok()
            .context("the connecting thread panicked")??;
        let enforcing: u64 = output
            .trim()
            .parse()
            .context("read the time of the refusal")?;
        Ok(Start {
            enforcing: enforcing.saturating_sub(started) as f64 / 1e6,
            processor,
        })
    })
}

/// Returns the processor time in milliseconds; the first number of `/proc/<pid>/schedstat` is in nanoseconds.
fn processor_time(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let nanoseconds = text.split(' ').next().context("an empty schedstat")?;
    Ok(nanoseconds.parse::<f64>()? / 1e6)
}

/// The connecting process: returns the time of the first refusal on the clock of [`now`].
///
/// # Errors
/// When no connection is refused.
pub(crate) fn child(address: &str) -> Result<String> {
    let target = SockAddr::from(SocketAddr::new(address.parse()?, 443));
    for _attempt in 0..ATTEMPTS {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        let error = socket.connect(&target).err();
        if error.and_then(|error| error.raw_os_error()) == Some(libc::EPERM) {
            return Ok(now()?.to_string());
        }
        thread::sleep(POLL);
    }
    bail!("connections to {address} are not refused")
}

/// Returns the monotonic clock in nanoseconds, which all processes share.
fn now() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(u64::try_from(now.tv_sec())? * 1_000_000_000 + u64::try_from(now.tv_nsec())?)
}
