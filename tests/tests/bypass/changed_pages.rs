//! Pages that a process changes between the verdict of its socket's hook and the network card: `MSG_ZEROCOPY`, `sendfile`, and the ring of a
//! packet socket. A slow queue on the uplink holds the packet meanwhile, so that one attempt suffices.

use std::{net::Ipv4Addr, process::Command, time::Duration};

use anyhow::Result;
use lab::fixtures::process::run;
use serde_json::{Value, json};
use test_data::{client_hello::client_hello, packet::udp_packet};

use crate::{
    bypasses,
    client::{Client, Socket, hex},
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::{Fixture, LOGIN},
    lane::{Lane, lane_between},
    link_headers::{IPV4, ethernet},
    server::ANSWER,
    support,
    topology::{FAR_MAC, HOST_MAC},
};

const LIMIT: Duration = Duration::from_secs(10);
/// Datagrams that fill the queue for about a second, and their size.
const FILLERS: usize = 10;
const FILLER: [u8; 1400] = [0; 1400];
const WEB: &str = "192.0.2.80";
/// Where the destination is in an Ethernet frame with IPv4, and the address of a storage account that comes there.
const DESTINATION: std::ops::Range<usize> = 30..34;
const CHANGED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 252);

/// A process of the host, and a socket that fills the queue.
struct Sender {
    client: Client,
    filler: Socket,
}

impl Sender {
    fn start(fixture: &Fixture) -> Result<Self> {
        let mut client = Client::start(&fixture.host())?;
        Ok(Self {
            filler: client.open(json!({"do": "datagrams", "address": "0.0.0.0"}))?,
            client,
        })
    }

    /// Fills the queue of the uplink.
    fn fill(&mut self) -> Result<()> {
        let order = json!({"do": "send_to", "to": WEB, "port": 9, "data": hex(&FILLER)});
        (0..FILLERS).try_for_each(|_| self.client.on(self.filler, order.clone()))
    }

    /// Sends an allowed ClientHello with the order `send`, changes it with `change`, and waits for the answer of the server.
    fn change_hello(&mut self, attempt: &Attempt, send: &str, change: &str) -> Result<SendResult> {
        let order = json!({"do": "connect", "to": attempt.to, "port": 443});
        let socket = self.client.open(order)?;
        let order = |what: &str, name: &str| -> Value {
            json!({"do": what, "data": hex(&client_hello(name))})
        };
        self.fill()?;
        self.client.on(socket, order(send, LOGIN))?;
        let foreign = String::from_utf8_lossy(&attempt.marker);
        self.client.on(socket, order(change, &foreign))?;
        let answer = self.client.receive(socket)?;
        let is_answered = answer.is_some_and(|answer| answer == ANSWER);
        Ok(if is_answered {
            SendResult::Answered
        } else {
            SendResult::Unanswered
        })
    }

    /// Sends a frame to an unprotected address, and changes its address.
    fn change_address(&mut self, attempt: &Attempt) -> Result<SendResult> {
        let harmless = frame(attempt)?;
        let order = json!({"do": "ring", "device": "eth0", "protocol": IPV4});
        let ring = self.client.open(order)?;
        self.fill()?;
        let order = json!({"do": "send_slot", "data": hex(&harmless)});
        let sent = self.client.try_on(ring, order)?;
        let part = hex(&CHANGED.octets());
        let order = json!({"do": "change_slot", "offset": DESTINATION.start, "data": part});
        self.client.on(ring, order)?;
        Ok(sent)
    }
}

fn frame(attempt: &Attempt) -> Result<Vec<u8>> {
    let from = "10.53.0.2:40000".parse()?;
    let packet = udp_packet(from, (attempt.to, 443).into(), &attempt.marker);
    let packet = packet.ok_or_else(|| anyhow::anyhow!("two families"))?;
    Ok(ethernet(FAR_MAC, HOST_MAC, IPV4, &packet))
}

/// Limits the uplink to 12,500 bytes a second (tc-tbf(8)).
fn slow_down(fixture: &Fixture) -> Result<()> {
    let mut tc: Command = fixture.network.device_env().command("tc");
    tc.args([
        "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "100kbit",
    ]);
    tc.args(["burst", "2kb", "limit", "100kb"]);
    run(tc, LIMIT)?.success()?;
    Ok(())
}

fn speed_up(fixture: &Fixture) -> Result<()> {
    let mut tc: Command = fixture.network.device_env().command("tc");
    tc.args(["qdisc", "del", "dev", "eth0", "root"]);
    run(tc, LIMIT)?.success()?;
    Ok(())
}

/// A changed frame from its destination on.
fn changed_end(attempt: &Attempt) -> Vec<u8> {
    let frame = frame(attempt).unwrap_or_default();
    let rest = frame.get(DESTINATION.end..).unwrap_or_default();
    [&CHANGED.octets(), rest].concat()
}

/// Returns the techniques, which run alone: everything that leaves is slow meanwhile.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let mut sender = Sender::start(fixture)?;
    let mut techniques = Vec::new();
    let mut methods = vec![
        ("MSG_ZEROCOPY", "send_pages", "change_pages"),
        ("sendfile", "send_file", "change_file"),
    ];
    let name = "sending without copies by io_uring";
    let is_there = sender
        .client
        .try_open(json!({"do": "has_send_zc"}))?
        .is_ok();
    if support::report(name, is_there, &["5.10"])? {
        methods.push(("IORING_OP_SEND_ZC", "send_ring_pages", "change_pages"));
    }
    for is_v4 in [true, false] {
        for (name, send, change) in methods.iter().copied() {
            techniques.push(Technique::new(
                format!("{name}: the name, IPv{}", if is_v4 { 4 } else { 6 }),
                (Target::Login, is_v4),
                With::Unchanged,
                move |_, sender: &mut Sender, attempt| sender.change_hello(attempt, send, change),
            ));
        }
    }
    techniques.push(
        Technique::new(
            "a packet socket's ring: the address",
            (Target::Fixed(WEB.parse()?), true),
            With::Unchanged,
            |_, sender: &mut Sender, attempt| sender.change_address(attempt),
        )
        .recognised_by(changed_end),
    );
    Ok(lane_between(
        [slow_down, speed_up],
        &bypasses::CHANGED_PAGES,
        sender,
        techniques,
    ))
}
