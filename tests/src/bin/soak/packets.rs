//! Frames to send, and the addresses at which none may arrive.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, Result, bail};
use etherparse::{PacketBuilder, TcpHeader};
use test_data::{Random, packet::udp_packet};

use crate::topology::Place;

/// Storage accounts, and the bad actor's registry, of the lab.
pub(crate) const PROTECTED: [&str; 4] = [
    "203.0.113.0/24",
    "2001:db8:b10b::/48",
    "198.51.100.50/32",
    "2001:db8:acc::50/128",
];
const HTTPS: u16 = 443;
const HOP_LIMIT: u8 = 64;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;

/// Returns the address of a storage account, of which there are as many as the lab has.
pub(crate) fn account(random: &mut Random) -> IpAddr {
    let [last, more] = [random.byte(), random.byte()];
    match random.one_in(2) {
        true => Ipv4Addr::new(203, 0, 113, last.max(1)).into(),
        false => {
            let last = u16::from_be_bytes([more, last]);
            Ipv6Addr::new(0x2001, 0xdb8, 0xb10b, 0, 0, 0, 1, last).into()
        }
    }
}

/// A datagram from a place to port 443 of an address.
pub(crate) fn datagram(place: Place, to: IpAddr, payload: &[u8]) -> Result<Vec<u8>> {
    let [from, to] = ends(place, to, 40_000);
    udp_packet(from, to, payload).context("two families")
}

/// A SYN.
pub(crate) fn syn(place: Place, to: IpAddr, port: u16) -> Result<Vec<u8>> {
    tcp(ends(place, to, port), &[], |header| header.syn = true)
}

/// A TCP segment that no connection has.
pub(crate) fn segment(place: Place, to: IpAddr, payload: &[u8]) -> Result<Vec<u8>> {
    tcp(ends(place, to, 40_001), payload, |header| {
        header.ack = true;
        header.psh = true;
        header.acknowledgment_number = 2000;
    })
}

/// A packet of a protocol without ports.
pub(crate) fn other(place: Place, to: IpAddr, protocol: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let mut packet = Vec::new();
    ip(ends(place, to, 0))?.write(&mut packet, protocol.into(), payload)?;
    Ok(packet)
}

/// The frame of a packet to the next hop, with a VLAN tag if there is to be one.
pub(crate) fn frame(place: Place, packet: &[u8], tag: Option<u16>) -> Vec<u8> {
    let kind = match packet.first().map(|byte| byte >> 4) {
        Some(4) => IPV4,
        _six => IPV6,
    };
    let mut frame = place.macs().concat();
    if let Some(tag) = tag {
        frame.extend([VLAN, tag].map(u16::to_be_bytes).as_flattened());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(packet);
    frame
}

fn ends(place: Place, to: IpAddr, port: u16) -> [SocketAddr; 2] {
    [(place.address(to), port).into(), (to, HTTPS).into()]
}

fn tcp(
    [from, to]: [SocketAddr; 2],
    payload: &[u8],
    set: impl FnOnce(&mut TcpHeader),
) -> Result<Vec<u8>> {
    let mut header = TcpHeader::new(from.port(), to.port(), 1000, u16::MAX);
    set(&mut header);
    let mut packet = Vec::new();
    ip([from, to])?
        .tcp_header(header)
        .write(&mut packet, payload)?;
    Ok(packet)
}

fn ip(ends: [SocketAddr; 2]) -> Result<etherparse::PacketBuilderStep<etherparse::IpHeaders>> {
    Ok(match ends.map(|end| end.ip()) {
        [IpAddr::V4(from), IpAddr::V4(to)] => {
            PacketBuilder::ipv4(from.octets(), to.octets(), HOP_LIMIT)
        }
        [IpAddr::V6(from), IpAddr::V6(to)] => {
            PacketBuilder::ipv6(from.octets(), to.octets(), HOP_LIMIT)
        }
        _two_families => bail!("{ends:?} are of two families"),
    })
}
