//! NAT in `PREROUTING`: a container connects to an allowed address, and the host leads the connection to a storage account.

use std::{
    io::{self, Write as _},
    net::Ipv4Addr,
    time::Duration,
};

use anyhow::Result;
use enforcer_common::Reason;
use lab::fixtures::{process::run, tool_cache::ToolCache};
use serde_json::json;

use crate::{
    client::Client,
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    server::ANSWER,
    topology::BRIDGE,
};

const LIMIT: Duration = Duration::from_secs(20);
const PORT: u16 = 8000;

/// Leads connections to port `from` of the bridge to port 443 of `to`.
fn redirect(cache: &ToolCache, fixture: &Fixture, from: u16, attempt: &Attempt) -> Result<()> {
    let env = fixture.network.device_env();
    let mut iptables = cache.debian(&env, "usr/sbin/iptables-legacy");
    let libraries = cache.path("root/usr/lib");
    let libraries = libraries.join(format!("{}-linux-gnu/xtables", std::env::consts::ARCH));
    let lock = fixture.scratch.path().join("xtables.lock");
    iptables.env("XTABLES_LIBDIR", libraries);
    iptables.env("XTABLES_LOCKFILE", lock);
    iptables.args(["-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport"]);
    iptables.arg(from.to_string());
    iptables.args(["-d", &BRIDGE.to_string(), "-j", "DNAT", "--to-destination"]);
    iptables.arg(format!("{}:443", attempt.to));
    run(iptables, LIMIT)?.success()?;
    Ok(())
}

/// Connects to a port of `to`, sends the marker, and waits for the server's answer.
fn exchange(client: &mut Client, to: Ipv4Addr, port: u16, data: &[u8]) -> Result<SendResult> {
    let socket = client.try_open(json!({"do": "connect", "to": to, "port": port}))?;
    let Ok(socket) = socket else {
        return Ok(SendResult::Unanswered);
    };
    client.send(socket, data)?;
    let answer = client.receive(socket)?;
    let is_answered = answer.is_some_and(|answer| answer == ANSWER);
    Ok(if is_answered {
        SendResult::Answered
    } else {
        SendResult::Unanswered
    })
}

/// Returns the technique, if iptables is available.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Option<Box<dyn Lane>>> {
    let Ok(cache) = ToolCache::open() else {
        writeln!(io::stderr(), "NOT RUN: iptables is not available")?;
        return Ok(None);
    };
    let client = Client::start_unprivileged(&fixture.in_container())?;
    let act = move |fixture: &Fixture, client: &mut Client, attempt: &Attempt| {
        let port = PORT + attempt.number;
        redirect(&cache, fixture, port, attempt)?;
        exchange(client, BRIDGE, port, &attempt.marker)
    };
    let techniques = vec![Technique::new(
        "a container's connection through PREROUTING",
        (Target::Storage, true),
        With::Denied(Reason::Storage),
        act,
    )];
    Ok(Some(lane(client, techniques)))
}
