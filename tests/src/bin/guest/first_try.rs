//! Tries to reach a storage account from early boot on, and records results with their times.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};
use socket2::{Domain, Protocol, Socket, Type};

/// The bad actor's storage account.
const PROTECTED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
const PAUSE: Duration = Duration::from_millis(2);
/// Duration of the attempts after the interface is up.
const AFTERWARDS: Duration = Duration::from_secs(2);
/// `IFF_UP` (netdevice(7)).
const UP: u32 = 1;

/// Writes a line to `file` for each change: the monotonic clock in microseconds, as systemd logs it, and the new result:
/// `refused` (`EPERM`), `no-route`, `sent`, or `up` for the interface.
pub(crate) fn record(file: &Path) -> Result<()> {
    let mut out = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut last = "";
    let mut up_since: Option<Instant> = None;
    while up_since.is_none_or(|since| since.elapsed() < AFTERWARDS) {
        // The interface is checked first, so that the following attempt happens after it.
        if up_since.is_none() && is_up()? {
            up_since = Some(Instant::now());
            log(&mut out, "up")?;
        }
        let now = attempt()?;
        if now != last {
            last = now;
            log(&mut out, now)?;
        }
        thread::sleep(PAUSE);
    }
    log(&mut out, "end")
}

fn log(out: &mut File, what: &str) -> Result<()> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    let micros = now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000;
    Ok(writeln!(out, "{micros} {what}")?)
}

fn is_up() -> Result<bool> {
    let flags = fs::read_to_string("/sys/class/net/eth0/flags").context("there is no eth0")?;
    let digits = flags.trim().trim_start_matches("0x");
    Ok(u32::from_str_radix(digits, 16).context("flags of eth0")? & UP != 0)
}

fn attempt() -> Result<&'static str> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    let connected = socket.connect(&SocketAddr::from((PROTECTED, 443)).into());
    let Err(error) = connected else {
        return Ok("sent");
    };
    match error.raw_os_error() {
        Some(libc::EINPROGRESS) => Ok("sent"),
        Some(libc::EPERM) => Ok("refused"),
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN) => Ok("no-route"),
        _ => Err(io::Error::into(error)),
    }
}
