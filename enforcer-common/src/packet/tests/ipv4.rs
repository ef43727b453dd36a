//! IPv4: options, fragments, packets that end early.

use super::*;

#[test]
fn ports_are_read_behind_an_ipv4_header_of_any_length() {
    for words in 0..=10 {
        let options = vec![NO_OPERATION; 4 * words];
        assert_eq!(
            transport_v4(&ipv4(TCP, 0, &options, &PORTS)),
            Transport::Tcp(443)
        );
        assert_eq!(
            transport_v4(&ipv4(UDP, 0, &options, &PORTS)),
            Transport::Udp(443)
        );
    }
    for protocol in [ICMP, IPV6, GRE, ESP, 0, 4, 132, 136, 255] {
        let packet = ipv4(protocol, 0, &[], &PORTS);
        assert_eq!(transport_v4(&packet), Transport::Other(protocol));
    }
}

#[test]
fn every_ipv4_fragment_hides_its_ports() {
    const DONT_FRAGMENT: u16 = 0x4000;
    const RESERVED: u16 = 0x8000;
    for (what, bits, is_fragment) in [
        ("whole", 0, false),
        ("whole, not to be fragmented", DONT_FRAGMENT, false),
        ("whole, with the reserved bit", RESERVED, false),
        ("first", 0x2000, true),
        ("middle", 0x2001, true),
        ("last", 0x0001, true),
        ("last, at the end of the offsets", 0x1fff, true),
    ] {
        let expected = if is_fragment {
            Transport::Hidden(TCP)
        } else {
            Transport::Tcp(443)
        };
        assert_eq!(
            transport_v4(&ipv4(TCP, bits, &[], &PORTS)),
            expected,
            "{what}"
        );
        let hidden = transport_v4(&ipv4(ICMP, bits, &[], &PORTS));
        assert_eq!(hidden == Transport::Hidden(ICMP), is_fragment, "{what}");
    }
}

#[test]
fn ipv4_options_without_a_source_route_pass() {
    for (what, options) in [
        ("record route", vec![7, 7, 4, 0, 0, 0, 0]),
        ("router alert", vec![148, 4, 0, 0]),
        (
            "timestamp after no-operation",
            vec![1, 1, 68, 8, 5, 0, 0, 0, 0, 0],
        ),
        ("an option without data", vec![130, 2]),
        (
            "all forty bytes",
            [vec![7, 39, 4], vec![0; 36], vec![1]].concat(),
        ),
        (
            "what follows the end is padding",
            vec![0, LOOSE_ROUTE, 7, 4, 1, 2, 3, 4],
        ),
        ("end in the middle", vec![1, 0, STRICT_ROUTE, 0]),
    ] {
        let packet = ipv4(TCP, 0, &options, &PORTS);
        assert_eq!(transport_v4(&packet), Transport::Tcp(443), "{what}");
    }
}

#[test]
fn an_ipv4_source_route_is_found_at_any_offset() {
    for kind in [LOOSE_ROUTE, STRICT_ROUTE] {
        for before in 0..=33 {
            let mut options = vec![NO_OPERATION; before];
            options.extend([kind, 7, 4, 203, 0, 113, 1]);
            assert_source_routed_v4(&options, "behind no-operations");
        }
        assert_source_routed_v4(
            &[7, 7, 4, 0, 0, 0, 0, kind, 7, 4, 9, 9, 9, 9],
            "behind a route record",
        );
        assert_source_routed_v4(&[kind], "without a length");
    }
}

#[test]
fn ipv4_options_that_do_not_parse_count_as_a_source_route() {
    assert_source_routed_v4(&[7, 0, 0, 0], "length 0");
    assert_source_routed_v4(&[7, 1, 0, 0], "length 1");
    assert_source_routed_v4(&[7, 41, 0, 0], "longer than all options");
    assert_source_routed_v4(&[7, 255, 0, 0], "length 255");
    assert_source_routed_v4(&[7, 5, 0, 0], "longer than these options");
    assert_source_routed_v4(&[1, 1, 68, 8], "the last runs over the end");
}

fn assert_source_routed_v4(options: &[u8], what: &str) {
    let packet = ipv4(TCP, 0, options, &PORTS);
    let expected = Err(PacketError::SourceRouted(Address::from_v4(V4)));
    assert_eq!(
        read_ipv4(&packet.as_slice()),
        expected,
        "{what}: {options:?}"
    );
}

#[test]
fn an_ipv4_packet_that_ends_early_never_shows_ports() {
    let packet = ipv4(TCP, 0, &[], &PORTS);
    for len in 0..20 {
        assert_eq!(
            read_ipv4(&&packet[..len]),
            Err(PacketError::NoHeader),
            "{len}"
        );
    }
    for len in 20..24 {
        assert_eq!(
            transport_v4(&packet[..len]),
            Transport::Hidden(TCP),
            "{len}"
        );
    }
    assert_eq!(transport_v4(&packet[..24]), Transport::Tcp(443));

    let with_options = ipv4(TCP, 0, &[1, 1, 1, 1, 1, 1, 1, 1], &PORTS);
    for len in 20..28 {
        let cut = read_ipv4(&&with_options[..len]);
        assert!(matches!(cut, Err(PacketError::SourceRouted(_))), "{len}");
    }
    assert_eq!(transport_v4(&with_options[..31]), Transport::Hidden(TCP));
    assert_eq!(transport_v4(&with_options[..32]), Transport::Tcp(443));
}

#[test]
fn a_header_of_another_version_or_below_the_minimum_length_is_unreadable() {
    for first in (0..=255).filter(|first| !(0x45..=0x4f).contains(first)) {
        let mut packet = ipv4(TCP, 0, &[], &PORTS);
        packet[0] = first;
        packet.extend([0; 40]);
        assert_eq!(
            read_ipv4(&packet.as_slice()),
            Err(PacketError::NoHeader),
            "{first:#x}"
        );
    }
    for version in (0..16).filter(|version| *version != 6) {
        let mut packet = ipv6(&[], TCP, &PORTS);
        packet[0] = version << 4;
        assert_eq!(
            read_ipv6(&packet.as_slice()),
            Err(PacketError::NoHeader),
            "{version}"
        );
    }
}
