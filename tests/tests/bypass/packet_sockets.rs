//! Packet sockets on the host (packet(7)): no hook of a socket sees their frames.

use anyhow::Result;
use enforcer_common::Reason;
use serde_json::json;
use test_data::packet::udp_packet;

use crate::{
    bypasses,
    client::{Client, Socket, hex},
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    link_headers::{ARP, IPV4, LinkHeader},
    support,
    topology::{FAR_MAC, HOST_MAC},
};

/// The pseudo protocol of frames of every type (packet(7), `ETH_P_ALL`).
const ANY: u16 = 3;
const DENIED: With = With::Denied(Reason::Storage);

/// A process on the host with one socket of each kind.
struct Sender {
    client: Client,
    raw: Socket,
    datagram: Socket,
}

impl Sender {
    fn start(fixture: &Fixture) -> Result<Self> {
        let mut client = Client::start(&fixture.host())?;
        Ok(Self {
            raw: client.open(json!({"do": "packet", "kind": "SOCK_RAW"}))?,
            datagram: client.open(json!({"do": "packet", "kind": "SOCK_DGRAM"}))?,
            client,
        })
    }

    fn send(&mut self, socket: Socket, protocol: u16, data: &[u8]) -> Result<SendResult> {
        let order = json!({
            "do": "send_frame", "device": "eth0", "protocol": protocol, "data": hex(data), "to": hex(&FAR_MAC),
        });
        self.client.try_on(socket, order)
    }
}

/// A ring of frames that the process and the kernel share (`PACKET_TX_RING`).
fn in_ring(version: u8, is_v4: bool) -> Technique<Sender> {
    let family = if is_v4 { 4 } else { 6 };
    let name = format!("PACKET_TX_RING of version {version} IPv{family}");
    let act = move |_: &Fixture, sender: &mut Sender, attempt: &Attempt| {
        let frame = LinkHeader::Plain.frame(FAR_MAC, HOST_MAC, &datagram(attempt)?);
        let order = json!({
            "do": "ring", "device": "eth0", "protocol": IPV4, "version": version,
        });
        let ring = sender.client.open(order)?;
        let order = json!({"do": "send_slot", "data": hex(&frame)});
        sender.client.try_on(ring, order)
    };
    Technique::new(name, (Target::Storage, is_v4), DENIED, act)
}

/// A datagram to the attempt's address.
fn datagram(attempt: &Attempt) -> Result<Vec<u8>> {
    let from = if attempt.to.is_ipv4() {
        "10.53.0.2:40000".parse()?
    } else {
        "[fd53::2]:40000".parse()?
    };
    let to = (attempt.to, 443).into();
    udp_packet(from, to, &attempt.marker).ok_or_else(|| anyhow::anyhow!("two families"))
}

/// `SOCK_RAW`, where the sender writes the Ethernet header and may give the kernel another protocol.
fn raw(header: LinkHeader, is_v4: bool, protocol: Option<u16>) -> Technique<Sender> {
    let kind = protocol.map_or(String::new(), |protocol| {
        format!(" declared as {protocol:#06x}")
    });
    let name = format!("SOCK_RAW {header:?} IPv{}{kind}", if is_v4 { 4 } else { 6 });
    let act = move |_: &Fixture, sender: &mut Sender, attempt: &Attempt| {
        let packet = datagram(attempt)?;
        let protocol = protocol.unwrap_or(header.payload(&packet).0);
        let frame = header.frame(FAR_MAC, HOST_MAC, &packet);
        sender.send(sender.raw, protocol, &frame)
    };
    Technique::new(name, (Target::Storage, is_v4), DENIED, act)
}

/// `SOCK_DGRAM`, where the kernel writes the Ethernet header.
fn written_by_kernel(header: LinkHeader, is_v4: bool) -> Technique<Sender> {
    let name = format!("SOCK_DGRAM {header:?} IPv{}", if is_v4 { 4 } else { 6 });
    let act = move |_: &Fixture, sender: &mut Sender, attempt: &Attempt| {
        let (protocol, payload) = header.payload(&datagram(attempt)?);
        sender.send(sender.datagram, protocol, &payload)
    };
    Technique::new(name, (Target::Storage, is_v4), DENIED, act)
}

/// Returns the techniques.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let sender = Sender::start(fixture)?;
    let mut techniques = Vec::new();
    for is_v4 in [true, false] {
        for header in LinkHeader::ALL {
            techniques.push(raw(header, is_v4, None));
            techniques.push(written_by_kernel(header, is_v4));
        }
        techniques.extend((1..=3).map(|version| in_ring(version, is_v4)));
        for protocol in [ARP, ANY, 0x8892] {
            techniques.push(raw(LinkHeader::Plain, is_v4, Some(protocol)));
            techniques.push(raw(LinkHeader::Vlan, is_v4, Some(protocol)));
        }
    }
    let techniques = support::some_if_brief(techniques);
    Ok(lane(&bypasses::PACKET_SOCKETS, sender, techniques))
}
