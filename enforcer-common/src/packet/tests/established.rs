//! The fast path for established connections, compared with the full parsers.

use proptest::collection::vec;
use proptest::prelude::*;
use test_data::packet::tcp_flags::{ACK, SYN};
use test_data::packet::tcp_header;

use super::agreement::{any_ipv4, any_ipv6};
use super::*;

const HTTPS: u16 = 443;
const SEQUENCE: u32 = 0x89ab_cdef;

impl Words for &[u8] {
    fn words<const N: usize>(&self) -> Option<[u32; N]> {
        let (words, _) = self.as_chunks::<4>();
        let words: &[_; N] = words.first_chunk()?;
        Some(words.map(u32::from_ne_bytes))
    }
}

fn established(packet: &[u8]) -> Option<(Address, u32)> {
    match packet.first()? >> 4 {
        4 => established_v4(&packet),
        _ => established_v6(&packet),
    }
}

fn both(port: u16, flags: u8) -> [Option<(Address, u32)>; 2] {
    let tcp = tcp_header(port, SEQUENCE, flags);
    let packets = [ipv4(TCP, 0, &[], &tcp), ipv6(&[], TCP, &tcp)];
    packets.map(|packet| established(&packet))
}

#[test]
fn a_segment_without_syn_to_https_is_recognized() {
    let expected = [Address::from_v4(V4), Address::from_v6(V6)];
    let expected = expected.map(|address| Some((address, SEQUENCE)));
    for flags in (0..=u8::MAX).filter(|flags| flags & SYN == 0) {
        assert_eq!(both(HTTPS, flags), expected, "flags {flags:#x}");
    }
}

#[test]
fn segments_with_syn_or_to_other_ports_are_not_recognized() {
    for flags in (0..=u8::MAX).filter(|flags| flags & SYN != 0) {
        assert_eq!(both(HTTPS, flags), [None; 2], "flags {flags:#x}");
    }
    for port in (0..=u16::MAX).filter(|port| *port != HTTPS) {
        assert_eq!(both(port, 0x10), [None; 2], "port {port}");
    }
}

#[test]
fn options_fragments_extensions_and_other_protocols_are_not_recognized() {
    let tcp = tcp_header(HTTPS, SEQUENCE, ACK);
    let packets = [
        ipv4(UDP, 0, &[], &tcp),
        ipv4(TCP, 0x2000, &[], &tcp),
        ipv4(TCP, 1, &[], &tcp),
        ipv4(TCP, 0, &[NO_OPERATION; 4], &tcp),
        ipv6(&[], UDP, &tcp),
        ipv6(&[extension(HOP_BY_HOP, 0)], TCP, &tcp),
        ipv6(&[fragment(0)], TCP, &tcp),
    ];
    for packet in packets {
        assert_eq!(established(&packet), None, "{packet:?}");
    }
}

/// Returns the destination according to the full parsers, for a packet to port 443.
fn read(packet: &[u8]) -> Option<Address> {
    let flow = match packet.first()? >> 4 {
        4 => read_ipv4(&packet),
        _ => read_ipv6(&packet),
    };
    let flow = flow.ok()?;
    (flow.transport == Transport::Tcp(HTTPS)).then_some(flow.destination)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn a_recognized_destination_equals_that_of_the_full_parsers(
        packet in prop_oneof![any_ipv4(), any_ipv6()],
        tail in vec(any::<u8>(), 16..24),
        is_https: bool,
    ) {
        let mut packet = packet;
        packet.extend(tail);
        let ports = if packet.first().is_some_and(|first| first >> 4 == 4) { 20 } else { 40 };
        if is_https && let Some(port) = packet.get_mut(ports + 2..ports + 4) {
            port.copy_from_slice(&HTTPS.to_be_bytes());
        }
        if let Some((destination, _)) = established(&packet) {
            prop_assert_eq!(Some(destination), read(&packet));
        }
    }
}
