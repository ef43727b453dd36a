//! Name checks end to end: server names in TLS handshakes, and addresses from DNS snooping.

mod audit;
mod client_hello;
mod clients;
mod custom_domain;
mod data_endpoint_pattern;
mod dns_sockets;
mod dns_unobserved;
mod explain_trace;
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
/// Contoso's login server in the fresh lab, which also serves mallory.
const LOGIN: [&str; 2] = ["198.51.100.10", "2001:db8:acc::10"];
/// The Rust TLS client.
const CLIENT: &str = env!("CARGO_BIN_EXE_egress-tls");
const MINUTE: Duration = Duration::from_secs(60);
/// Time limit of an event from the kernel to the command line.
const REPORTED_WITHIN: Duration = Duration::from_secs(30);
/// Timeout of a client that is expected to fail, in milliseconds; an allowed one gets its answer in 5 ms.
const BRIEFLY: u64 = 300;
/// Timeout of a client that is expected to succeed, in milliseconds.
const LONG: u64 = 20_000;

/// Makes all attempts with the Rust client on the device.
fn attempt_all(lab: &Lab, all: Vec<Attempt>) -> Result<Vec<Exchange>> {
    run_in(
        Path::new(CLIENT),
        &lab.device(),
        lab.certificates().ca(),
        &Work::Exchange(all),
    )
}

/// Waits until the command line prints an event with this reason and server name; `None` for an event without server name.
fn await_event(enforcer: &Enforcer, verdict: &str, reason: &str, name: Option<&str>) -> Result<()> {
    let is_wanted = |event: &Value| {
        event["verdict"] == verdict
            && event["reason"] == reason
            && event["server-name"].as_str() == name
    };
    let deadline = Instant::now() + REPORTED_WITHIN;
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

/// Whether the client's data contains the whole of `name`.
fn contains_name(flow: &Flow, name: &str) -> bool {
    let mut windows = flow.bytes.windows(name.len());
    windows.any(|window| window == name.as_bytes())
}

#[expect(clippy::unwrap_used, reason = "the tests' own literals")]
fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
