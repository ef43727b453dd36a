//! IPv6: extension headers, fragments, packets that end early.

use super::*;

#[test]
fn ports_are_read_behind_every_ipv6_extension_header() {
    for kind in [
        HOP_BY_HOP,
        DESTINATION_OPTIONS,
        MOBILITY,
        HOST_IDENTITY,
        SHIM6,
    ] {
        for units in [0, 1, 2, 255] {
            let headers = [extension(kind, units)];
            assert_eq!(
                transport_v6(&ipv6(&headers, TCP, &PORTS)),
                Transport::Tcp(443),
                "{kind}"
            );
            assert_eq!(
                transport_v6(&ipv6(&headers, UDP, &PORTS)),
                Transport::Udp(443),
                "{kind}"
            );
        }
    }
    let chain = [
        extension(HOP_BY_HOP, 0),
        extension(DESTINATION_OPTIONS, 1),
        routing(0, 0),
        fragment(0),
        (AUTHENTICATION, [vec![4], vec![0; 22]].concat()),
        extension(DESTINATION_OPTIONS, 0),
    ];
    assert_eq!(
        transport_v6(&ipv6(&chain, UDP, &PORTS)),
        Transport::Udp(443)
    );
    assert_eq!(transport_v6(&ipv6(&[], TCP, &PORTS)), Transport::Tcp(443));
}

/// RFC 4302 section 2.2: its length counts words of four bytes, less two.
#[test]
fn an_authentication_header_counts_in_units_of_four_bytes() {
    for units in [0, 1, 4, 255] {
        let mut rest = vec![0; 7 + 4 * usize::from(units)];
        rest[0] = units;
        let packet = ipv6(&[(AUTHENTICATION, rest)], TCP, &PORTS);
        assert_eq!(transport_v6(&packet), Transport::Tcp(443), "{units}");
    }
}

#[test]
fn a_routing_header_of_any_type_counts_while_segments_are_left() {
    let expected = Err(PacketError::SourceRouted(Address::from_v6(V6)));
    for kind in [0, 2, 3, 4, 253, 255] {
        assert_eq!(
            transport_v6(&ipv6(&[routing(kind, 0)], TCP, &PORTS)),
            Transport::Tcp(443)
        );
        for left in [1, 2, 255] {
            for before in [
                vec![],
                vec![extension(HOP_BY_HOP, 0)],
                vec![fragment(0), extension(60, 3)],
            ] {
                let headers = [before, vec![routing(kind, left)]].concat();
                let packet = ipv6(&headers, TCP, &PORTS);
                assert_eq!(
                    read_ipv6(&packet.as_slice()),
                    expected,
                    "type {kind}, {left} left"
                );
            }
        }
    }
}

#[test]
fn every_ipv6_fragment_but_an_atomic_one_hides_its_ports() {
    for (what, bits, is_fragment) in [
        ("atomic", 0, false),
        ("atomic, with the reserved bits", 0x0006, false),
        ("first", 0x0001, true),
        ("middle", 0x0009, true),
        ("last", 0x0008, true),
        ("last, at the end of the offsets", 0xfff8, true),
    ] {
        let packet = ipv6(&[fragment(bits)], TCP, &PORTS);
        let expected = if is_fragment {
            Transport::Hidden(TCP)
        } else {
            Transport::Tcp(443)
        };
        assert_eq!(transport_v6(&packet), expected, "{what}");
    }
    let later = ipv6(&[fragment(0x0008), extension(60, 0)], TCP, &PORTS);
    assert_eq!(transport_v6(&later), Transport::Hidden(DESTINATION_OPTIONS));
}

#[test]
fn a_protocol_without_ports_ends_the_ipv6_chain() {
    for protocol in [NO_NEXT_HEADER, ESP, ICMPV6, IPV6, GRE, 4, 132, 136, 255] {
        for headers in [vec![], vec![extension(HOP_BY_HOP, 0)]] {
            let packet = ipv6(&headers, protocol, &PORTS);
            assert_eq!(transport_v6(&packet), Transport::Other(protocol));
            assert_eq!(
                transport_v6(&ipv6(&headers, protocol, &[])),
                Transport::Other(protocol)
            );
        }
    }
}

#[test]
fn a_chain_above_the_limit_hides_its_ports() {
    for (count, expected) in [
        (1, Transport::Tcp(443)),
        (7, Transport::Tcp(443)),
        (8, Transport::Hidden(TCP)),
        (30, Transport::Hidden(DESTINATION_OPTIONS)),
    ] {
        let headers = vec![extension(DESTINATION_OPTIONS, 0); count];
        assert_eq!(
            transport_v6(&ipv6(&headers, TCP, &PORTS)),
            expected,
            "{count}"
        );
    }
}

#[test]
fn an_ipv6_packet_that_ends_early_never_shows_ports() {
    let packet = ipv6(&[extension(HOP_BY_HOP, 0), extension(60, 1)], TCP, &PORTS);
    for len in 0..40 {
        assert_eq!(
            read_ipv6(&&packet[..len]),
            Err(PacketError::NoHeader),
            "{len}"
        );
    }
    for len in 40..packet.len() {
        let expected = match len {
            ..44 => Transport::Hidden(HOP_BY_HOP),
            44..52 => Transport::Hidden(DESTINATION_OPTIONS),
            52..68 => Transport::Hidden(TCP),
            68.. => Transport::Tcp(443),
        };
        assert_eq!(transport_v6(&packet[..len]), expected, "{len}");
    }
}

#[test]
fn an_ipv4_address_inside_an_ipv6_packet_is_the_destination() {
    for carrier in [0xffff_u128 << 32, 0x0064_ff9b << 96] {
        let mut packet = ipv6(&[extension(HOP_BY_HOP, 0)], TCP, &PORTS);
        packet[24..40].copy_from_slice(&(carrier | u128::from(V4)).to_be_bytes());
        let flow = read_ipv6(&packet.as_slice()).unwrap();
        assert_eq!(flow.destination.v4(), Some(V4));
        assert_eq!(flow.transport, Transport::Tcp(443));
    }
}
