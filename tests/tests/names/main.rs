//! Names in the kernel, end to end: what the server name in a handshake opens, and what DNS answers open.

mod audit;
mod client_hello;
mod clients;
mod custom_domain;
mod data_endpoint_pattern;
mod dns_sockets;
mod dns_unobserved;
mod forged_answer_flood;
mod hosts_file;
mod keepalive;
mod resolve_race;
mod segmented_hello;
mod shared_front_end;
mod socket_memory;
mod storage_accounts;

use std::{
    net::IpAddr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lab::{
    Lab,
    clients::tls_client::{Attempt, Exchange, Work, run_in},
    fixtures::enforcer::Enforcer,
    topology::capture::Flow,
};
use serde_json::Value;

/// The region of contoso's data endpoint.
const REGIONS: [&str; 1] = ["eastus"];
/// Contoso's login server in the fresh lab, which is mallory's as well.
const LOGIN: [&str; 2] = ["198.51.100.10", "2001:db8:acc::10"];
/// The Rust client.
const CLIENT: &str = env!("CARGO_BIN_EXE_egress-tls");
const MINUTE: Duration = Duration::from_secs(60);
/// How long an event may take from the kernel to the command line.
const TOLD_WITHIN: Duration = Duration::from_secs(10);
/// How long a client that is to be refused waits for an answer, in milliseconds; one that is let through is answered in 5.
const BRIEFLY: u64 = 300;
/// How long a client that is to be answered waits, in milliseconds.
const LONG: u64 = 20_000;

/// Has the Rust client say all of this on the device.
fn attempt_all(lab: &Lab, all: Vec<Attempt>) -> Result<Vec<Exchange>> {
    run_in(
        Path::new(CLIENT),
        &lab.device(),
        lab.certificates().ca(),
        &Work::Exchange(all),
    )
}

/// Waits until the command line prints an event of this reason that tells this server name; `None`: it tells none.
fn await_event(enforcer: &Enforcer, verdict: &str, reason: &str, name: Option<&str>) -> Result<()> {
    let is_wanted = |event: &Value| {
        event["verdict"] == verdict
            && event["reason"] == reason
            && event["server-name"].as_str() == name
    };
    let deadline = Instant::now() + TOLD_WITHIN;
    loop {
        let events = enforcer.json(["events"])?;
        let events = events.as_array().context("events are no list")?;
        if events.iter().any(is_wanted) {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "no event of {verdict}, {reason} and {name:?}: {events:#?}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether all of `name` came over a connection.
fn holds(flow: &Flow, name: &str) -> bool {
    let mut places = flow.bytes.windows(name.len());
    places.any(|place| place == name.as_bytes())
}

#[expect(clippy::unwrap_used, reason = "the tests' own literals")]
fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
