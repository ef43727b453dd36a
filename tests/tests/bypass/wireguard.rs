//! WireGuard, whose packets the kernel sends to the peer's address for whoever sends through the tunnel.

use std::{net::IpAddr, time::Duration};

use anyhow::{Result, bail};
use enforcer_common::Reason;
use lab::fixtures::process::run;
use serde_json::json;

use crate::{
    bypasses,
    client::{Client, Socket},
    comparison::{Attempt, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    support,
};

const LIMIT: Duration = Duration::from_secs(20);
/// UDP ports of the host and of the peer.
const PORTS: [u16; 2] = [51_821, 51_820];
/// Keys of the examples in wg(8).
const PRIVATE_KEY: &str = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
const PEER: &str = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
const INSIDE: &str = "10.95.0.2";

/// An unprivileged process and its datagrams.
struct Sender {
    client: Client,
    socket: Socket,
}

fn wg(fixture: &Fixture, arguments: &str) -> Result<()> {
    let mut wg = fixture.network.device_env().command("wg");
    wg.args(arguments.split(' '));
    run(wg, LIMIT)?.success()?;
    Ok(())
}

/// Returns the technique, if this system has WireGuard.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Option<Box<dyn Lane>>> {
    let added = fixture.network.device().ip("link add twg type wireguard\n");
    let is_there = added.is_ok() && wg(fixture, "show").is_ok();
    if !support::report("WireGuard", is_there, &[])? {
        return Ok(None);
    }
    let key = fixture.scratch.file("wireguard.key", PRIVATE_KEY)?;
    let (key, port) = (key.display(), PORTS[0]);
    wg(
        fixture,
        &format!("set twg listen-port {port} private-key {key}"),
    )?;
    fixture.add_device("twg", "address add 10.95.0.1/24 dev twg\nlink set twg up\n")?;
    let mut client = Client::start_unprivileged(&fixture.host())?;
    let socket = client.open(json!({"do": "datagrams", "address": "0.0.0.0"}))?;
    let act = |fixture: &Fixture, sender: &mut Sender, attempt: &Attempt| {
        let (to, port) = (attempt.to, PORTS[1]);
        wg(fixture, &format!("set twg peer {PEER} remove"))?;
        wg(
            fixture,
            &format!("set twg peer {PEER} endpoint {to}:{port} allowed-ips {INSIDE}/32"),
        )?;
        let order = json!({"do": "send_to", "to": INSIDE, "port": 443, "data": "00"});
        sender.client.try_on(sender.socket, order)
    };
    let technique = Technique::new(
        "an unprivileged process: a device of the host: WireGuard",
        (Target::Storage, true),
        With::Denied(Reason::Storage),
        act,
    );
    let technique = technique.recognised_by(|attempt| outer(attempt).unwrap_or_default());
    let sender = Sender { client, socket };
    let tunnels = &bypasses::TUNNEL_DEVICES;
    Ok(Some(lane(tunnels, sender, vec![technique])))
}

/// Destination and ports of the encrypted packet.
fn outer(attempt: &Attempt) -> Result<Vec<u8>> {
    let IpAddr::V4(to) = attempt.to else {
        bail!("no IPv4 address");
    };
    let ports = PORTS.map(u16::to_be_bytes);
    Ok([&to.octets(), ports.as_flattened()].concat())
}
