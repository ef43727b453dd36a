//! Packet sockets of a container with `CAP_NET_RAW`, as Docker grants it: the host forwards their frames, and no socket of the host owns them.

use std::net::IpAddr;

use anyhow::{Result, bail};
use enforcer_common::Reason;
use etherparse::PacketBuilder;
use serde_json::json;
use test_data::{
    client_hello::client_hello,
    packet::{
        protocol::{DESTINATION_OPTIONS, ESP, GRE, ICMP, IPIP, SCTP},
        tcp_flags::{ACK, PSH, SYN},
    },
};

use crate::{
    bypasses,
    client::{Client, Socket, hex},
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    link_headers::{ether_type, ethernet},
    mini_tcp::{Ends, Position, segment},
    support,
    topology::{BRIDGE_MAC, CONTAINER, CONTAINER_MAC},
};

const HOP_LIMIT: u8 = 64;
/// The next header of an IPv6 extension header that ends with an experimental protocol (RFC 3692), and its length of 8 bytes.
const OPTIONS: [u8; 8] = [253, 0, 1, 4, 0, 0, 0, 0];

/// A process in the container, and its packet socket.
struct Container {
    client: Client,
    socket: Socket,
}

impl Container {
    fn start(fixture: &Fixture) -> Result<Self> {
        let mut client = Client::start(&fixture.in_container())?;
        Ok(Self {
            socket: client.open(json!({"do": "packet", "kind": "SOCK_RAW"}))?,
            client,
        })
    }

    fn send(&mut self, packet: &[u8]) -> Result<SendResult> {
        let protocol = ether_type(packet);
        let frame = ethernet(BRIDGE_MAC, CONTAINER_MAC, protocol, packet);
        let order = json!({
            "do": "send_frame", "device": "eth0", "protocol": protocol, "data": hex(&frame),
        });
        self.client.try_on(self.socket, order)
    }
}

fn source(attempt: &Attempt) -> IpAddr {
    CONTAINER[usize::from(attempt.to.is_ipv6())]
}

/// A packet of any protocol from the container.
fn packet(attempt: &Attempt, protocol: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let headers = match (source(attempt), attempt.to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            PacketBuilder::ipv4(from.octets(), to.octets(), HOP_LIMIT)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            PacketBuilder::ipv6(from.octets(), to.octets(), HOP_LIMIT)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => bail!("two families"),
    };
    let mut packet = Vec::new();
    headers.write(&mut packet, protocol.into(), payload)?;
    Ok(packet)
}

fn tcp(attempt: &Attempt, flags: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let ends = Ends {
        here: (source(attempt), 40_000 + attempt.number).into(),
        there: (attempt.to, 443).into(),
    };
    let position = Position {
        flags,
        sequence: 1000,
        acknowledgement: 2000,
    };
    segment(ends, position, payload)
}

fn technique(
    name: &str,
    is_v4: bool,
    build: impl Fn(&Attempt) -> Result<Vec<u8>> + Send + 'static,
) -> Technique<Container> {
    let name = format!("container, {name}, IPv{}", if is_v4 { 4 } else { 6 });
    let denied = With::Denied(Reason::Storage);
    let act = move |_: &Fixture, container: &mut Container, attempt: &Attempt| {
        container.send(&build(attempt)?)
    };
    Technique::new(name, (Target::Storage, is_v4), denied, act)
}

/// Returns the techniques.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let container = Container::start(fixture)?;
    let mut techniques = Vec::new();
    for is_v4 in [true, false] {
        let protocols = [
            ("ICMP", ICMP),
            ("IPv4 in IP", IPIP),
            ("GRE", GRE),
            ("ESP", ESP),
            ("SCTP", SCTP),
            ("an experimental protocol", 253),
        ];
        for (name, number) in protocols {
            techniques.push(technique(name, is_v4, move |attempt| {
                packet(attempt, number, &attempt.marker)
            }));
        }
        techniques.push(technique("SYN with data", is_v4, |attempt| {
            tcp(attempt, SYN, &attempt.marker)
        }));
        techniques.push(technique("TCP data", is_v4, |attempt| {
            tcp(attempt, PSH | ACK, &attempt.marker)
        }));
        techniques.push(technique("the allowed name", is_v4, |attempt| {
            let hello = [client_hello(crate::fixture::LOGIN), attempt.marker.clone()];
            tcp(attempt, PSH | ACK, &hello.concat())
        }));
    }
    techniques.push(technique("an extension header", false, |attempt| {
        let payload = [&OPTIONS[..], &attempt.marker].concat();
        packet(attempt, DESTINATION_OPTIONS, &payload)
    }));
    let techniques = support::some_if_brief(techniques);
    Ok(lane(&bypasses::CONTAINER_FRAMES, container, techniques))
}
