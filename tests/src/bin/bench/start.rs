//! From `exec` to enforcing: a process of the governed cgroup asks the kernel all the time.

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

/// Between two attempts.
const POLL: Duration = Duration::from_micros(500);
/// How long the asking process gets to be there before the daemon starts.
const HEAD_START: Duration = Duration::from_millis(150);
/// After so many attempts nothing enforces.
const ATTEMPTS: u32 = 20_000;

/// One start, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// From before `exec` until a `connect` to a closed address is refused.
    pub(crate) enforcing: f64,
    /// Processor time that the daemon took until it answered on its socket, a little later. The machine's load does not change it much.
    pub(crate) processor: f64,
}

/// Starts the daemon with nothing pinned, while a process of the governed cgroup tries to connect to `denied`. The packet hook is attached
/// before the hook that refuses it.
///
/// # Errors
/// When it does not come to enforce.
pub(crate) fn measure(lab: &Lab, enforcer: &mut Enforcer, denied: IpAddr) -> Result<Start> {
    let mut command = lab.device().command(std::env::current_exe()?);
    command.arg("probe").arg(denied.to_string());
    thread::scope(|scope| {
        let probe = scope.spawn(|| run(command, Duration::from_secs(30))?.success());
        thread::sleep(HEAD_START);
        let started = now()?;
        enforcer.run()?;
        let processor = processor_time(enforcer.pid()?)?;
        let output = probe.join().ok().context("the asking thread panicked")??;
        let enforcing: u64 = output.trim().parse().context("read when it was refused")?;
        Ok(Start {
            enforcing: enforcing.saturating_sub(started) as f64 / 1e6,
            processor,
        })
    })
}

/// Milliseconds on a processor; the first number of `/proc/<pid>/schedstat` counts nanoseconds.
fn processor_time(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let nanoseconds = text.split(' ').next().context("an empty schedstat")?;
    Ok(nanoseconds.parse::<f64>()? / 1e6)
}

/// The asking process: prints when it was refused, on the clock of [`now`].
///
/// # Errors
/// When it never is.
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
    bail!("nothing refuses a connection to {address}")
}

/// Nanoseconds on a clock that all processes share.
fn now() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(u64::try_from(now.tv_sec())? * 1_000_000_000 + u64::try_from(now.tv_nsec())?)
}
