//! The cloud and its clients in a virtual machine with systemd, beside the enforcer. The units and the scenario in `tests/vm`
//! call it.
//!
//! `egress-guest cloud DIR` · `first-try FILE` · `try ADDRESS` · `stream RATE END` · `keepalive END` · `service-tags`

mod cloud;
mod first_try;
mod keepalive;

use std::{
    env,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use lab::{
    clients::stream::{self, Plan},
    fixtures::service_tags,
};

/// Interval at which a stream checks whether to end.
const POLL: Duration = Duration::from_millis(50);

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["cloud", directory] => cloud::serve(Path::new(directory)),
        ["first-try", file] => first_try::record(Path::new(file)),
        ["try", address] => print(outcome(address.parse().context("no address")?)),
        ["stream", rate, end] => stream_until(rate.parse().context("no rate")?, Path::new(end)),
        ["keepalive", end] => print(&keepalive::until(Path::new(end))?),
        ["service-tags"] => print(&service_tags::file(1)?),
        _ => bail!("egress-guest has no such command: {}", words.join(" ")),
    }
}

/// Returns `answered`, `refused` (`EPERM`), or another result of a connection.
fn outcome(address: Ipv4Addr) -> &'static str {
    match stream::exchange(SocketAddr::from((address, 443))) {
        Ok(_retransmissions) => "answered",
        Err((_step, error)) if error.raw_os_error() == Some(libc::EPERM) => "refused",
        Err((_step, error)) if error.kind() == io::ErrorKind::NetworkUnreachable => "no network",
        Err((_step, error)) if error.kind() == io::ErrorKind::TimedOut => "no answer",
        Err(_) => "another error",
    }
}

/// Connects to allowed and protected addresses until the file `end` exists. Fails when an allowed address did not answer,
/// or a protected address was not refused.
fn stream_until(rate: u32, end: &Path) -> Result<()> {
    let ended = AtomicBool::new(false);
    let totals = thread::scope(|scope| {
        scope.spawn(|| {
            while !end.exists() {
                thread::sleep(POLL);
            }
            ended.store(true, Ordering::Relaxed);
        });
        stream::generate(&Plan::lab_default(rate), &ended)
    });
    print(&serde_json::to_string(&totals)?)?;
    ensure!(
        totals.failed.is_empty() && totals.passed.is_empty(),
        "the stream lost or leaked connections"
    );
    ensure!(
        totals.answered > 0 && totals.refused > 0,
        "the stream opened no connections"
    );
    Ok(())
}

fn print(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}
