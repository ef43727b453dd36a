//! NAT in `PREROUTING`: a container connects to an allowed address, and the host leads the connection to a storage account.

use std::{net::IpAddr, time::Duration};

use anyhow::Result;
use enforcer_common::Reason;
use lab::fixtures::{process::run, tool_cache::ToolCache};
use serde_json::json;

use crate::{
    bypasses,
    client::Client,
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    server::ANSWER,
    support,
    topology::BRIDGE,
};

const LIMIT: Duration = Duration::from_secs(20);
const PORT: u16 = 8000;

/// A program that sets NAT up.
enum Nat {
    /// iptables-legacy(8) of the lab.
    Iptables(ToolCache),
    /// nft(8) of the system.
    Nft,
}

/// Where rules for packets of others come before the route is looked up.
const CHAIN: &str = "add table ip lab; \
    add chain ip lab prerouting { type nat hook prerouting priority -100; }";

impl Nat {
    /// Finds a program; `None` if the system or its kernel has none.
    fn find(fixture: &Fixture) -> Result<Option<Self>> {
        if let Ok(cache) = ToolCache::open() {
            return Ok(Some(Self::Iptables(cache)));
        }
        let is_there = nft(fixture, CHAIN).is_ok();
        Ok(support::report("NAT", is_there, &[])?.then_some(Self::Nft))
    }

    /// Leads connections to port `from` of the bridge to port 443 of the attempt's address.
    fn redirect(&self, fixture: &Fixture, from: u16, attempt: &Attempt) -> Result<()> {
        match self {
            Self::Iptables(cache) => iptables(cache, fixture, from, attempt),
            Self::Nft => {
                let to = attempt.to;
                let matching = format!("ip daddr {BRIDGE} tcp dport {from}");
                let rule = format!("add rule ip lab prerouting {matching} dnat to {to}:443");
                nft(fixture, &rule)
            }
        }
    }
}

fn nft(fixture: &Fixture, ruleset: &str) -> Result<()> {
    let mut nft = fixture.network.device_env().command("nft");
    nft.arg(ruleset);
    run(nft, LIMIT)?.success()?;
    Ok(())
}

fn iptables(cache: &ToolCache, fixture: &Fixture, from: u16, attempt: &Attempt) -> Result<()> {
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
pub(crate) fn exchange(
    client: &mut Client,
    to: impl Into<IpAddr>,
    port: u16,
    data: &[u8],
) -> Result<SendResult> {
    let order = json!({"do": "connect", "to": to.into(), "port": port});
    let socket = client.try_open(order)?;
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

/// Returns the technique, if there is NAT.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Option<Box<dyn Lane>>> {
    let Some(nat) = Nat::find(fixture)? else {
        return Ok(None);
    };
    let client = Client::start_unprivileged(&fixture.in_container())?;
    let act = move |fixture: &Fixture, client: &mut Client, attempt: &Attempt| {
        let port = PORT + attempt.number;
        nat.redirect(fixture, port, attempt)?;
        exchange(client, BRIDGE, port, &attempt.marker)
    };
    let techniques = vec![Technique::new(
        "a container's connection through PREROUTING",
        (Target::Storage, true),
        With::Denied(Reason::Storage),
        act,
    )];
    Ok(Some(lane(
        &bypasses::REDIRECTED_CONNECTIONS,
        client,
        techniques,
    )))
}
