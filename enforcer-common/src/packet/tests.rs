//! The parsers on byte vectors, and compared with an independent second parser.

use std::net::IpAddr;

use test_data::packet::Packet;
use test_data::packet::protocol::{ESP, GRE, ICMP, ICMPV6, IPV6, NO_NEXT_HEADER};

use super::*;

mod agreement;
mod established;
mod ipv4;
mod ipv6;
mod naive;

impl Bytes for &[u8] {
    fn fixed<const AT: usize, const N: usize>(&self) -> Option<[u8; N]> {
        self.get(AT..AT + N)?.try_into().ok()
    }

    fn at<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let rest = self.get(usize::try_from(offset).ok()?..)?;
        rest.first_chunk().copied()
    }
}

const V4: u32 = 0x1426_6264;
const V6: u128 = 0x2603_1030_0000_0000_0000_0000_0000_0001;
/// Ports 4660 → 443, and the next bytes.
const PORTS: [u8; 8] = [0x12, 0x34, 0x01, 0xbb, 0, 0, 0, 0];

/// Returns an IPv4 packet; `options` are padded to whole words.
fn ipv4(protocol: u8, fragment: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let packet = Packet::new(IpAddr::V4(V4.into()), protocol, 0);
    let packet = packet.fragment(fragment).options(options);
    packet.payload(payload).network()
}

/// Returns an IPv6 packet of extension headers, each as its kind and the bytes after its first one.
fn ipv6(headers: &[(u8, Vec<u8>)], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let packet = Packet::new(IpAddr::V6(V6.into()), protocol, 0).payload(payload);
    let headers = headers.iter().rev();
    let packet = headers.fold(packet, |packet, (kind, rest)| packet.extension(*kind, rest));
    packet.network()
}

/// An extension header of 8 + 8 × `units` bytes.
fn extension(kind: u8, units: u8) -> (u8, Vec<u8>) {
    let mut rest = vec![0; 7 + 8 * usize::from(units)];
    rest[0] = units;
    (kind, rest)
}

fn routing(kind: u8, segments_left: u8) -> (u8, Vec<u8>) {
    let (header, mut rest) = extension(ROUTING, 2);
    (rest[1], rest[2]) = (kind, segments_left);
    (header, rest)
}

fn fragment(offset_and_flags: u16) -> (u8, Vec<u8>) {
    let [high, low] = offset_and_flags.to_be_bytes();
    (FRAGMENT, vec![0, high, low, 0, 0, 0, 7])
}

fn transport_v4(packet: &[u8]) -> Transport {
    let flow = read_ipv4(&packet).unwrap();
    assert_eq!(flow.destination, Address::from_v4(V4));
    flow.transport
}

fn transport_v6(packet: &[u8]) -> Transport {
    let flow = read_ipv6(&packet).unwrap();
    assert_eq!(flow.destination, Address::from_v6(V6));
    flow.transport
}
