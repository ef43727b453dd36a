//! What must pass: the device hook denies nothing that the rule allows, and nothing that is no IP.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result};
use serde_json::json;
use test_data::{client_hello::ClientHello, packet::udp_packet};

use crate::{
    bypasses,
    client::{Client, Socket, hex},
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::{Fixture, LOGIN},
    group_messages,
    lane::{Lane, lane},
    link_headers::{ARP, IPV4, LinkHeader, Mac, ether_type, ethernet},
    server::ANSWER,
    support,
    topology::{CONTAINER, FAR_MAC, HOST_MAC},
};

const HOST: [&str; 2] = ["10.53.0.2", "fd53::2"];
const WEB: [&str; 2] = ["192.0.2.80", "2001:db8:80::80"];
/// EtherTypes (IANA) that are not IP, and one of no registered protocol.
const OTHER_TYPES: [(&str, u16); 7] = [
    ("ARP", ARP),
    ("PROFINET", 0x8892),
    ("EtherCAT", 0x88a4),
    ("LLDP", 0x88cc),
    ("MACsec", 0x88e5),
    ("PTP", 0x88f7),
    ("an experimental type", 0x88b6),
];
const MULTICAST: Mac = [1, 0, 0x5e, 0, 0, 0xfb];
/// LLC header of the spanning tree protocol (IEEE 802.1D).
const SPANNING_TREE: [u8; 3] = [0x42, 0x42, 3];
/// Records of application data (RFC 8446 section 5.1), together more than fits into a super-packet.
const RECORD: [u8; 5] = [23, 3, 3, 0x40, 0];
const RECORDS: usize = 20;
/// What a client sends next to its ClientHello: a record with the rest of the handshake.
const FINISHED: [u8; 9] = [23, 3, 3, 0, 4, 1, 2, 3, 4];

/// A process of each place, and a packet socket on the host.
struct Senders {
    host: Client,
    frames: Socket,
    container: Client,
    far: Client,
}

impl Senders {
    fn start(fixture: &Fixture) -> Result<Self> {
        let mut host = Client::start(&fixture.host())?;
        Ok(Self {
            frames: host.open(json!({"do": "packet", "kind": "SOCK_RAW"}))?,
            host,
            container: Client::start(&fixture.in_container())?,
            far: Client::start(&fixture.network.cloud_env())?,
        })
    }

    fn send_frame(&mut self, protocol: u16, frame: &[u8]) -> Result<SendResult> {
        let order = json!({
            "do": "send_frame", "device": "eth0", "protocol": protocol, "data": hex(frame),
        });
        self.host.try_on(self.frames, order)
    }

    fn client(&mut self, is_container: bool) -> &mut Client {
        if is_container {
            &mut self.container
        } else {
            &mut self.host
        }
    }
}

fn place(is_container: bool) -> &'static str {
    if is_container { "container" } else { "host" }
}

fn address(text: &str) -> Result<IpAddr> {
    text.parse().with_context(|| text.to_owned())
}

/// Frames that are no IP, and IP that needs no connection.
fn frames() -> Vec<Technique<Senders>> {
    let nowhere = (Target::Fixed(Ipv4Addr::UNSPECIFIED.into()), true);
    let frame = |name: &str, build: fn(&Attempt) -> Result<Vec<u8>>| {
        let act = move |_: &Fixture, senders: &mut Senders, attempt: &Attempt| {
            senders.send_frame(IPV4, &build(attempt)?)
        };
        Technique::new(name, nowhere, With::Passes, act)
    };
    let mut techniques = vec![
        frame("the spanning tree", |attempt| {
            let payload = [&SPANNING_TREE[..], &attempt.marker].concat();
            let length = u16::try_from(payload.len())?;
            Ok(ethernet(MULTICAST, HOST_MAC, length, &payload))
        }),
        frame("DHCP", |attempt| {
            let (from, to) = ("0.0.0.0:68".parse()?, "255.255.255.255:67".parse()?);
            let packet = udp_packet(from, to, &attempt.marker).context("DHCP")?;
            Ok(ethernet([0xff; 6], HOST_MAC, IPV4, &packet))
        }),
    ];
    techniques.extend(group_messages::ALL.map(|(name, build)| frame(name, build)));
    for (name, ether_type) in OTHER_TYPES {
        let act = move |_: &Fixture, senders: &mut Senders, attempt: &Attempt| {
            let frame = ethernet(MULTICAST, HOST_MAC, ether_type, &attempt.marker);
            senders.send_frame(ether_type, &frame)
        };
        techniques.push(Technique::new(name, nowhere, With::Passes, act));
    }
    techniques
}

/// Frames to an unprotected address behind every link header.
fn unprotected_frames() -> Result<Vec<Technique<Senders>>> {
    let mut techniques = Vec::new();
    for (index, to) in WEB.into_iter().enumerate() {
        for header in LinkHeader::ALL {
            let from = (address(HOST[index])?, 40_000).into();
            let act = move |_: &Fixture, senders: &mut Senders, attempt: &Attempt| {
                let packet = udp_packet(from, (attempt.to, 443).into(), &attempt.marker);
                let packet = packet.context("two families")?;
                let frame = header.frame(FAR_MAC, HOST_MAC, &packet);
                senders.send_frame(ether_type(&packet), &frame)
            };
            let name = format!("a frame to {to} behind {header:?}");
            let target = (Target::Fixed(address(to)?), index == 0);
            techniques.push(Technique::new(name, target, With::Passes, act));
        }
    }
    Ok(techniques)
}

/// Datagrams of sockets, to an unprotected address and to a multicast group.
fn datagrams() -> Result<Vec<Technique<Senders>>> {
    let mut techniques = Vec::new();
    for (name, to, is_container) in [
        ("datagram", WEB[0], false),
        ("datagram", WEB[1], false),
        ("datagram", WEB[0], true),
        ("datagram", WEB[1], true),
        ("multicast", "224.0.0.251", false),
    ] {
        let act = move |fixture: &Fixture, senders: &mut Senders, attempt: &Attempt| {
            // Addresses are resolved again, by ARP and by neighbour discovery.
            fixture.network.device().ip("neighbour flush dev eth0")?;
            let client = senders.client(is_container);
            let any = if attempt.to.is_ipv4() {
                "0.0.0.0"
            } else {
                "::"
            };
            let socket = client.open(json!({"do": "datagrams", "address": any}))?;
            let data = hex(&attempt.marker);
            client.try_on(
                socket,
                json!({"do": "send_to", "to": attempt.to, "port": 5353, "data": data}),
            )
        };
        let name = format!("{}: a {name} to {to}", place(is_container));
        let target = Target::Fixed(address(to)?);
        techniques.push(Technique::new(name, (target, true), With::Passes, act));
    }
    Ok(techniques)
}

/// Connects, sends `hello`, the rest of a handshake and a lot more, and waits for an answer each time.
fn exchange(client: &mut Client, attempt: &Attempt, hello: &[u8]) -> Result<SendResult> {
    let order = json!({"do": "connect", "to": attempt.to, "port": 443});
    let socket = client.open(order)?;
    client.send(socket, hello)?;
    let answer = client.receive(socket)?;
    client.send(socket, &FINISHED)?;
    client.receive(socket)?;
    let record = [&RECORD[..], &[0; 0x4000]].concat();
    client.send(socket, &record.repeat(RECORDS))?;
    let further = client.receive(socket)?;
    let is_answered = answer.is_some_and(|answer| answer == ANSWER) && further.is_some();
    Ok(if is_answered {
        SendResult::Answered
    } else {
        SendResult::Unanswered
    })
}

/// Connections of sockets to an unprotected address, and to the allowed name.
fn connections() -> Result<Vec<Technique<Senders>>> {
    let mut techniques = Vec::new();
    for is_container in [false, true] {
        for (index, web) in WEB.into_iter().enumerate() {
            let act = move |_: &Fixture, senders: &mut Senders, attempt: &Attempt| {
                exchange(senders.client(is_container), attempt, &attempt.marker)
            };
            let name = format!("{}: a connection to {web}", place(is_container));
            let target = (Target::Fixed(address(web)?), index == 0);
            techniques.push(Technique::new(name, target, With::Passes, act));

            let hellos = [ClientHello::tls12(LOGIN), ClientHello::tls13(LOGIN, 9)];
            for (kind, hello) in ["a small", "a large"].into_iter().zip(hellos) {
                let act = move |_: &Fixture, senders: &mut Senders, attempt: &Attempt| {
                    let mut hello = hello.clone();
                    hello.session_id.clone_from(&attempt.marker);
                    exchange(senders.client(is_container), attempt, &hello.bytes())
                };
                let family = if index == 0 { 4 } else { 6 };
                let place = place(is_container);
                let name =
                    format!("{place}: {kind} ClientHello with the allowed name, IPv{family}");
                let target = (Target::Login, index == 0);
                techniques.push(Technique::new(name, target, With::Passes, act));
            }
        }
    }
    Ok(techniques)
}

/// Connections from the far side, and the answers to them.
fn inbound() -> Vec<Technique<Senders>> {
    let mut techniques = Vec::new();
    for is_container in [false, true] {
        for index in [0, 1] {
            let act = move |_: &Fixture, senders: &mut Senders, attempt: &Attempt| {
                let to = if is_container {
                    CONTAINER[index]
                } else {
                    address(HOST[index])?
                };
                let port = 8000 + attempt.number;
                let serve = json!({"do": "serve", "address": to, "port": port});
                let server = senders.client(is_container).open(serve)?;
                let connect = json!({"do": "connect", "to": to, "port": port});
                let caller = senders.far.open(connect)?;
                let client = senders.client(is_container);
                let accepted = client.accept(server)?;
                client.send(accepted, &attempt.marker)?;
                let answer = senders.far.receive(caller)?;
                let is_answered = answer.is_some_and(|answer| answer == attempt.marker);
                Ok(if is_answered {
                    SendResult::Answered
                } else {
                    SendResult::Unanswered
                })
            };
            let family = if index == 0 { 4 } else { 6 };
            let name = format!(
                "{}: an inbound connection, IPv{family}",
                place(is_container)
            );
            let target = Target::Fixed(Ipv4Addr::UNSPECIFIED.into());
            techniques.push(Technique::new(name, (target, true), With::Passes, act));
        }
    }
    techniques
}

/// Returns the techniques.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let senders = Senders::start(fixture)?;
    let groups = [
        frames(),
        unprotected_frames()?,
        datagrams()?,
        connections()?,
        inbound(),
    ];
    let techniques = support::some_if_brief(groups.into_iter().flatten().collect());
    Ok(lane(&bypasses::CONTROLS, senders, techniques))
}
