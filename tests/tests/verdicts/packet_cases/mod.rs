//! Packets with their expected verdict and reason under default `allow`.

mod headers;

use std::net::{IpAddr, Ipv4Addr};

use enforcer::policy::{Inputs, Layer, Protected};
use enforcer_common::{
    Class, Reason, Verdict,
    Verdict::{Allow, Deny},
};
use test_data::packet::{
    Packet,
    protocol::{DESTINATION_OPTIONS, ESP, GRE, ICMP, ICMPV6, IPIP, IPV6, SCTP, TCP, UDP},
};

/// A packet and its expected verdict.
pub(crate) struct PacketCase {
    pub(crate) what: String,
    pub(crate) packet: Vec<u8>,
    pub(crate) verdict: Verdict,
    pub(crate) reason: Reason,
}

fn case(what: impl Into<String>, packet: &Packet, verdict: Verdict, reason: Reason) -> PacketCase {
    PacketCase {
        what: what.into(),
        packet: packet.bytes(),
        verdict,
        reason,
    }
}

const UNLISTED: [&str; 2] = ["1.1.1.1", "2606:4700::1111"];
const LOCAL: [&str; 2] = ["10.1.2.3", "fd00::3"];
const STORAGE: [&str; 2] = ["20.38.98.100", "2603:1030:1::100"];
const REGISTRY: [&str; 2] = ["20.42.66.11", "2603:1030:2::11"];
const CONFIGURED: [&str; 2] = ["93.184.1.1", "2a00:dead::1"];
const ALLOWED: [&str; 2] = ["20.42.66.10", "2603:1030:2::10"];
const RESOLVER: [&str; 2] = ["8.8.8.8", "2001:4860:4860::8888"];
/// Allowed, but in no protected prefix.
const UNTAGGED: [&str; 2] = ["52.1.2.3", "2620:1ec::3"];
/// Allowed and local.
const PRIVATE_ENDPOINT: &str = "10.1.0.4";
const PLATFORM: &str = "168.63.129.16";

type Expected = (Verdict, Reason);

/// Addresses with the same policy: the expectation for TCP to port 443, and for everything else.
struct Kind {
    addresses: [&'static str; 2],
    https: Expected,
    other: Expected,
}

const fn same(addresses: [&'static str; 2], verdict: Verdict, reason: Reason) -> Kind {
    Kind {
        addresses,
        https: (verdict, reason),
        other: (verdict, reason),
    }
}

const fn named(addresses: [&'static str; 2]) -> Kind {
    Kind {
        addresses,
        https: (Allow, Reason::AllowedName),
        other: (Deny, Reason::WrongPort),
    }
}

/// Returns the expectation for TCP to port 443 behind IPv6 extension headers. Addresses allowed by name are denied, because the ClientHello is not
/// inspected there.
fn behind(https: Expected) -> Expected {
    match https {
        (Allow, Reason::AllowedName) => (Deny, Reason::HelloUnreadable),
        other => other,
    }
}

const KINDS: [Kind; 8] = [
    same(UNLISTED, Allow, Reason::DefaultAllow),
    same(LOCAL, Allow, Reason::Local),
    same(STORAGE, Deny, Reason::Storage),
    same(REGISTRY, Deny, Reason::Registry),
    same(CONFIGURED, Deny, Reason::Configured),
    named(ALLOWED),
    named(UNTAGGED),
    same(RESOLVER, Allow, Reason::Exempt),
];

#[expect(clippy::unwrap_used, reason = "the tests' own literals")]
pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[expect(clippy::unwrap_used, reason = "the tests' own literals")]
fn layer(class: Class, prefixes: &[&str]) -> Layer {
    let prefixes = prefixes.iter().map(|text| text.parse().unwrap()).collect();
    Layer { class, prefixes }
}

/// Returns the protected set of the packet cases, with NAT64 prefixes in addition to the well-known one.
#[expect(clippy::unwrap_used, reason = "the tests' own literals")]
pub(crate) fn protected(nat64: &[&str]) -> Protected {
    Protected {
        layers: vec![
            layer(
                Class::Configured,
                &[
                    "93.184.0.0/16",
                    "10.66.0.0/16",
                    "2a00:dead::/32",
                    "fd66::/16",
                ],
            ),
            layer(Class::Storage, &["20.38.98.0/24", "2603:1030:1::/48"]),
            layer(Class::Registry, &["20.42.66.0/24", "2603:1030:2::/48"]),
        ],
        nat64: nat64.iter().map(|text| text.parse().unwrap()).collect(),
        exempt: RESOLVER.map(ip).to_vec(),
    }
}

pub(crate) fn inputs(default_allow: bool, audit: bool) -> Inputs {
    let allowed = [ALLOWED, UNTAGGED, [PRIVATE_ENDPOINT, PRIVATE_ENDPOINT]];
    Inputs {
        audit,
        default_allow,
        allowed: allowed.as_flattened().iter().map(|text| ip(text)).collect(),
        ..Inputs::default()
    }
}

pub(crate) const NAT64: [&str; 2] = ["2001:67c:64::/96", "2a00:64:64:64::/64"];

pub(crate) fn all_cases() -> Vec<PacketCase> {
    let groups = [
        transports(),
        destinations(),
        headers::fragments(),
        headers::tunnels(),
        headers::extension_headers(),
        headers::source_routes(),
        headers::truncated(),
        headers::unreadable(),
        embedded(&|v4| embedded_in(NAT64_96, v4)),
        embedded(&nat64_64),
        embedded(&|v4| v4.to_ipv6_mapped().into()),
        embedded(&|v4| embedded_in(0x0064_ff9b << 96, v4)),
        embedded(&|v4| embedded_in(0x0064_ff9b_0001 << 80 | 0xabcd << 64, v4)),
    ];
    groups.into_iter().flatten().collect()
}

/// Every kind of address with every transport, over both families.
fn transports() -> Vec<PacketCase> {
    let mut cases = Vec::new();
    for Kind {
        addresses,
        https,
        other,
    } in KINDS
    {
        for address in addresses.map(ip) {
            let packet = Packet::new(address, TCP, 443);
            cases.push(case(
                format!("HTTPS to {address}"),
                &packet,
                https.0,
                https.1,
            ));
            let transports = [
                (TCP, 80),
                (TCP, 0),
                (TCP, 8443),
                (TCP, 444),
                (UDP, 443),
                (UDP, 53),
                (ICMP, 443),
                (ICMPV6, 443),
                (SCTP, 443),
                (GRE, 443),
                (ESP, 443),
                (IPIP, 443),
                (IPV6, 443),
                (255, 443),
                (33, 443),
                (136, 443),
                (253, 443),
                (108, 443),
            ];
            for (kind, port) in transports {
                let what = format!("protocol {kind} to port {port} of {address}");
                cases.push(case(
                    what,
                    &Packet::new(address, kind, port),
                    other.0,
                    other.1,
                ));
            }
        }
    }
    cases
}

fn destinations() -> Vec<PacketCase> {
    let mut cases = Vec::new();
    for local in [
        "0.0.0.0",
        "127.0.0.1",
        "100.64.1.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "224.0.0.251",
        "255.255.255.255",
        PRIVATE_ENDPOINT,
        "::",
        "::1",
        "fe80::1",
        "ff02::fb",
        "fd00::1",
    ] {
        for (kind, port) in [(TCP, 443), (UDP, 5353), (ICMP, 0)] {
            let packet = Packet::new(ip(local), kind, port);
            cases.push(case(
                format!("local {local}"),
                &packet,
                Allow,
                Reason::Local,
            ));
        }
    }
    for (kind, port) in [(UDP, 53), (TCP, 80), (TCP, 32526), (ICMP, 0)] {
        let packet = Packet::new(ip(PLATFORM), kind, port);
        cases.push(case("the platform", &packet, Allow, Reason::Exempt));
    }
    for protected in ["10.66.0.0", "10.66.255.255", "fd66::1"] {
        let packet = Packet::new(ip(protected), TCP, 443);
        cases.push(case(
            "local, but protected",
            &packet,
            Deny,
            Reason::Configured,
        ));
    }
    cases
}

const NAT64_96: u128 = 0x2001_067c_0064 << 80;

fn embedded_in(prefix: u128, v4: Ipv4Addr) -> IpAddr {
    IpAddr::V6((prefix | u128::from(u32::from(v4))).into())
}

/// Embeds an IPv4 address in a /64 NAT64 prefix; bits 64–71 are reserved (RFC 6052, section 2.2).
fn nat64_64(v4: Ipv4Addr) -> IpAddr {
    let prefix = 0x2a00_0064_0064_0064_u128 << 64;
    IpAddr::V6((prefix | u128::from(u32::from(v4)) << 24).into())
}

/// An IPv4 address embedded in an IPv6 address gets the verdict of the IPv4 address.
fn embedded(embed: &dyn Fn(Ipv4Addr) -> IpAddr) -> Vec<PacketCase> {
    let mut cases = Vec::new();
    for Kind {
        addresses,
        https,
        other,
    } in KINDS
    {
        let IpAddr::V4(inner) = ip(addresses[0]) else {
            continue;
        };
        let outer = embed(inner);
        let packet = Packet::new(outer, TCP, 443);
        cases.push(case(
            format!("{inner} as {outer}"),
            &packet,
            https.0,
            https.1,
        ));
        let udp = Packet::new(outer, UDP, 443);
        cases.push(case(
            format!("QUIC to {inner} as {outer}"),
            &udp,
            other.0,
            other.1,
        ));
        let hidden = packet.extension(DESTINATION_OPTIONS, &[0; 7]);
        let https = behind(https);
        cases.push(case(
            "the same behind an extension header",
            &hidden,
            https.0,
            https.1,
        ));
    }
    cases
}
