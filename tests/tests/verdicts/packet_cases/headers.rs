//! Headers that hide or change a packet's destination: fragments, tunnels, options, source routes, and
//! unreadable packets.

use enforcer_common::{Reason, Verdict::Deny};
use test_data::packet::{
    Packet, frame,
    protocol::{DESTINATION_OPTIONS, FRAGMENT, GRE, IPIP, IPV6, NO_NEXT_HEADER, ROUTING, TCP},
};

use super::{ALLOWED, KINDS, Kind, PacketCase, STORAGE, UNLISTED, behind, case, ip};

pub(super) fn fragments() -> Vec<PacketCase> {
    let mut cases = Vec::new();
    for Kind {
        addresses,
        https,
        other,
    } in KINDS
    {
        let [v4, v6] = addresses.map(|text| Packet::new(ip(text), TCP, 443));
        for bits in [0x2000, 0x2001, 0x0001, 0x1fff] {
            let what = format!("fragment {bits:#x} to {}", addresses[0]);
            cases.push(case(what, &v4.clone().fragment(bits), other.0, other.1));
        }
        let whole = v4.fragment(0x4000);
        cases.push(case("don't fragment", &whole, https.0, https.1));
        for bits in [0x0001_u16, 0x0009, 0x0008, 0xfff8] {
            let [high, low] = bits.to_be_bytes();
            let packet = v6.clone().extension(FRAGMENT, &[0, high, low, 0, 0, 0, 1]);
            let what = format!("fragment {bits:#x} to {}", addresses[1]);
            cases.push(case(what, &packet, other.0, other.1));
        }
        let atomic = v6.extension(FRAGMENT, &[0; 7]);
        let https = behind(https);
        cases.push(case("an atomic fragment", &atomic, https.0, https.1));
    }
    cases
}

/// Tunnels get the verdict of the outer destination.
pub(super) fn tunnels() -> Vec<PacketCase> {
    let mut cases = Vec::new();
    for Kind {
        addresses, other, ..
    } in KINDS
    {
        for outer in addresses.map(ip) {
            for inner in [STORAGE[0], STORAGE[1], UNLISTED[0], UNLISTED[1], ALLOWED[0]] {
                let inside = Packet::new(ip(inner), TCP, 443).network();
                let plain = if ip(inner).is_ipv4() { IPIP } else { IPV6 };
                let gre_type = if ip(inner).is_ipv4() { 0x08 } else { 0x86 };
                let gre = [vec![0, 0, gre_type, 0], inside.clone()].concat();
                for (kind, payload) in [(plain, &inside), (GRE, &gre)] {
                    let packet = Packet::new(outer, kind, 0).payload(payload);
                    let what = format!("{inner} in a tunnel of protocol {kind} to {outer}");
                    cases.push(case(what, &packet, other.0, other.1));
                }
            }
        }
    }
    cases
}

pub(super) fn extension_headers() -> Vec<PacketCase> {
    let mut cases = Vec::new();
    for Kind {
        addresses,
        https,
        other,
    } in KINDS
    {
        let https = behind(https);
        let packet = Packet::new(ip(addresses[1]), TCP, 443);
        for kind in [0, DESTINATION_OPTIONS, 135, 139, 140] {
            let short = packet.clone().extension(kind, &[0; 7]);
            cases.push(case(
                format!("behind header {kind}"),
                &short,
                https.0,
                https.1,
            ));
            let long = packet
                .clone()
                .extension(kind, &[vec![1], vec![0; 14]].concat());
            cases.push(case(
                format!("behind long header {kind}"),
                &long,
                https.0,
                https.1,
            ));
        }
        let signed = packet
            .clone()
            .extension(51, &[vec![4], vec![0; 22]].concat());
        cases.push(case(
            "behind an authentication header",
            &signed,
            https.0,
            https.1,
        ));
        let chain = |len: usize| {
            (0..len).fold(packet.clone(), |packet, _| {
                packet.extension(DESTINATION_OPTIONS, &[0; 7])
            })
        };
        cases.push(case("behind seven headers", &chain(7), https.0, https.1));
        cases.push(case("behind too many headers", &chain(8), other.0, other.1));
        cases.push(case(
            "behind far too many headers",
            &chain(40),
            other.0,
            other.1,
        ));
        let none = Packet::new(ip(addresses[1]), NO_NEXT_HEADER, 443);
        cases.push(case("nothing", &none, other.0, other.1));
        cases.push(case(
            "nothing behind a header",
            &none.extension(0, &[0; 7]),
            other.0,
            other.1,
        ));
    }
    cases
}

/// Source-routed packets are denied regardless of the first hop, because the last hop differs.
pub(super) fn source_routes() -> Vec<PacketCase> {
    let mut cases = Vec::new();
    for Kind {
        addresses, https, ..
    } in KINDS
    {
        let [v4, v6] = addresses.map(|text| Packet::new(ip(text), TCP, 443));
        for kind in [131, 137] {
            for before in [
                vec![],
                vec![1; 5],
                vec![7, 7, 4, 0, 0, 0, 0],
                vec![148, 4, 0, 0],
            ] {
                let options = [before, vec![kind, 7, 4, 20, 38, 98, 100]].concat();
                let packet = v4.clone().options(&options);
                cases.push(case(
                    format!("source route {options:?}"),
                    &packet,
                    Deny,
                    Reason::SourceRouted,
                ));
            }
        }
        for broken in [
            vec![7, 0, 0, 0],
            vec![7, 1, 0, 0],
            vec![68, 41, 0, 0],
            vec![7, 9, 0, 0],
            vec![1, 1, 1, 7],
        ] {
            let packet = v4.clone().options(&broken);
            cases.push(case(
                format!("broken options {broken:?}"),
                &packet,
                Deny,
                Reason::SourceRouted,
            ));
        }
        for harmless in [
            vec![1; 40],
            vec![7, 7, 4, 0, 0, 0, 0],
            vec![148, 4, 0, 0],
            vec![0, 131, 7, 4],
        ] {
            let packet = v4.clone().options(&harmless);
            cases.push(case(
                format!("options {harmless:?}"),
                &packet,
                https.0,
                https.1,
            ));
        }
        let https = behind(https);
        for kind in [0, 2, 3, 4, 253] {
            let route = |left: u8| [vec![2, kind, left], vec![0; 20]].concat();
            let past = v6.clone().extension(ROUTING, &route(0));
            cases.push(case(
                format!("routing header {kind}, used up"),
                &past,
                https.0,
                https.1,
            ));
            let routed = v6.clone().extension(ROUTING, &route(1));
            cases.push(case(
                format!("routing header {kind}"),
                &routed,
                Deny,
                Reason::SourceRouted,
            ));
            let hidden = routed
                .extension(DESTINATION_OPTIONS, &[0; 7])
                .extension(0, &[0; 7]);
            cases.push(case(
                "a routing header behind others",
                &hidden,
                Deny,
                Reason::SourceRouted,
            ));
        }
    }
    cases
}

/// Truncated packets with a destination, but without ports.
pub(super) fn truncated() -> Vec<PacketCase> {
    let mut cases = Vec::new();
    for Kind {
        addresses, other, ..
    } in KINDS
    {
        let [v4, v6] = addresses.map(|text| Packet::new(ip(text), TCP, 443));
        for len in [20, 21, 23] {
            cases.push(case(
                format!("IPv4 of {len} bytes"),
                &v4.clone().truncated(len),
                other.0,
                other.1,
            ));
        }
        let behind = v6.clone().extension(DESTINATION_OPTIONS, &[0; 7]);
        for len in [40, 41, 43] {
            cases.push(case(
                format!("IPv6 of {len} bytes"),
                &v6.clone().truncated(len),
                other.0,
                other.1,
            ));
            let cut = behind.clone().truncated(len + 8);
            cases.push(case(
                "IPv6 that ends after its options",
                &cut,
                other.0,
                other.1,
            ));
        }
    }
    cases
}

pub(super) fn unreadable() -> Vec<PacketCase> {
    let [v4, v6] = UNLISTED.map(|text| Packet::new(ip(text), TCP, 443).network());
    let mut frames = vec![
        ("ARP", frame(0x0806, &v4)),
        ("VLAN", frame(0x8100, &v4)),
        ("MPLS", frame(0x8847, &v4)),
        ("no protocol", frame(0, &v4)),
        ("IPv6 called IPv4", frame(0x0800, &v6)),
        (
            "IPv4 called IPv6",
            frame(0x86dd, &[v4.clone(), vec![0; 20]].concat()),
        ),
    ];
    for first in [0x00, 0x05, 0x40, 0x44, 0x65, 0xf5] {
        let mut packet = v4.clone();
        packet[0] = first;
        frames.push(("IPv4 with a wrong first byte", frame(0x0800, &packet)));
    }
    for first in [0x00, 0x45, 0x70, 0xf0] {
        let mut packet = v6.clone();
        packet[0] = first;
        frames.push(("IPv6 with a wrong first byte", frame(0x86dd, &packet)));
    }
    let case = |(what, packet): (&str, Vec<u8>)| PacketCase {
        what: what.to_owned(),
        packet,
        verdict: Deny,
        reason: Reason::Unreadable,
    };
    frames.into_iter().map(case).collect()
}
