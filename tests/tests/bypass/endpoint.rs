//! Tunnels that end at the host: the kernel unpacks what a container sends to the host's own address, and forwards it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, bail};
use enforcer_common::Reason;
use etherparse::PacketBuilder;
use serde_json::json;
use test_data::packet::udp_packet;

use crate::{
    client::{Client, Socket, hex},
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::Fixture,
    link_headers::{IPV4, Mac, ether_type, ethernet},
    support,
    topology::{BRIDGE, BRIDGE_MAC, CONTAINER, CONTAINER_MAC},
};

/// The Ethernet addresses of the host's device and of the other end.
const DEVICE_MAC: Mac = [2, 0, 0, 0, 0x96, 1];
const PEER_MAC: Mac = [2, 0, 0, 0, 0x96, 2];
const HOP_LIMIT: u8 = 64;

/// How the packets to the host look.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outer {
    /// A datagram of an unprivileged process, between these ports; 0 is any.
    Datagram { from: u16, to: u16 },
    /// A packet of this protocol by a packet socket, which takes `CAP_NET_RAW`.
    Protocol(u8),
}

/// An end of a tunnel at the host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint {
    pub(crate) name: &'static str,
    /// Lines for ip(8) that create it, with its device `DEVICE`.
    pub(crate) lines: &'static str,
    /// Its device; empty if it has none of its own.
    pub(crate) device: &'static str,
    /// Kernels that lack it, by the start of their release.
    pub(crate) absent_on: &'static [&'static str],
    pub(crate) outer: Outer,
    pub(crate) header: &'static [u8],
    /// Where the header has a sequence number, which has to grow.
    pub(crate) sequence_at: Option<usize>,
    /// Whether a frame follows the header, and not a packet.
    pub(crate) has_frame: bool,
    /// The version of the packet inside.
    pub(crate) is_v4: bool,
}

/// A process in the container with a packet socket.
pub(crate) struct Sender {
    root: Client,
    frames: Socket,
    nobody: Client,
}

impl Sender {
    pub(crate) fn start(fixture: &Fixture) -> Result<Self> {
        let mut root = Client::start(&fixture.in_container())?;
        Ok(Self {
            frames: root.open(json!({"do": "packet", "kind": "SOCK_RAW"}))?,
            root,
            nobody: Client::start_unprivileged(&fixture.in_container())?,
        })
    }

    fn send(&mut self, outer: Outer, payload: &[u8]) -> Result<SendResult> {
        match outer {
            Outer::Datagram { from, to } => {
                let order = json!({"do": "datagrams", "address": "0.0.0.0", "port": from});
                let socket = self.nobody.open(order)?;
                let order =
                    json!({"do": "send_to", "to": BRIDGE, "port": to, "data": hex(payload)});
                let sent = self.nobody.try_on(socket, order)?;
                self.nobody.on(socket, json!({"do": "close"}))?;
                Ok(sent)
            }
            Outer::Protocol(number) => {
                let frame = ethernet(BRIDGE_MAC, CONTAINER_MAC, IPV4, &packet(number, payload)?);
                let order = json!({
                    "do": "send_frame", "device": "eth0", "protocol": IPV4, "data": hex(&frame),
                });
                self.root.try_on(self.frames, order)
            }
        }
    }
}

/// A packet from the container to the host's address on the bridge.
fn packet(protocol: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let IpAddr::V4(from) = CONTAINER[0] else {
        bail!("the container's first address is IPv6");
    };
    let mut packet = Vec::new();
    PacketBuilder::ipv4(from.octets(), BRIDGE.octets(), HOP_LIMIT).write(
        &mut packet,
        protocol.into(),
        payload,
    )?;
    Ok(packet)
}

/// Creates the ends that this kernel has, and returns a technique for each.
pub(crate) fn techniques(
    fixture: &Fixture,
    endpoints: &[Endpoint],
) -> Result<Vec<Technique<Sender>>> {
    let mut techniques = Vec::new();
    for endpoint in endpoints.iter().copied() {
        let lines = endpoint.lines;
        if !support::is_there(fixture, endpoint.name, lines, endpoint.absent_on)? {
            continue;
        }
        if !endpoint.device.is_empty() {
            fixture.add_device(endpoint.device, &set_up(endpoint))?;
        }
        let act = move |_: &Fixture, sender: &mut Sender, attempt: &Attempt| {
            let mut payload = [endpoint.header, &inner(endpoint, attempt)?].concat();
            if let Some(at) = endpoint.sequence_at {
                payload[at..at + 4].copy_from_slice(&u32::from(attempt.number).to_be_bytes());
            }
            sender.send(endpoint.outer, &payload)
        };
        let who = match endpoint.outer {
            Outer::Datagram { .. } => "an unprivileged process of a container",
            Outer::Protocol(_) => "a container's packet socket",
        };
        techniques.push(Technique::new(
            format!("{who}: inside {} to the host", endpoint.name),
            (Target::Storage, endpoint.is_v4),
            With::Denied(Reason::Storage),
            act,
        ));
    }
    Ok(techniques)
}

/// Lines that set the device up, whose networks only it has.
fn set_up(endpoint: Endpoint) -> String {
    let device = endpoint.device;
    let mac = DEVICE_MAC.map(|byte| format!("{byte:02x}")).join(":");
    let address = if endpoint.has_frame {
        format!("link set {device} address {mac}\n")
    } else {
        String::new()
    };
    format!("{address}link set {device} up\n")
}

/// What the host forwards: a datagram from an address behind the tunnel.
fn inner(endpoint: Endpoint, attempt: &Attempt) -> Result<Vec<u8>> {
    let from: SocketAddr = if endpoint.is_v4 {
        (Ipv4Addr::new(10, 96, 0, 2), 40_000).into()
    } else {
        "[fd96::2]:40000".parse()?
    };
    let packet = udp_packet(from, (attempt.to, 443).into(), &attempt.marker);
    let packet = packet.context("two families")?;
    Ok(if endpoint.has_frame {
        ethernet(DEVICE_MAC, PEER_MAC, ether_type(&packet), &packet)
    } else {
        packet
    })
}
