//! Messages to neighbours that keep a network running: neighbour discovery, and which groups a host listens to.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::{
    comparison::Attempt,
    link_headers::{IPV4, IPV6, Mac, ethernet},
    topology::HOST_MAC,
};

/// Builds a frame that carries an attempt's marker.
type Build = fn(&Attempt) -> Result<Vec<u8>>;

/// Each message with its name.
pub(crate) const ALL: [(&str, Build); 3] = [
    ("a neighbour solicitation", neighbour_solicitation),
    ("a report of IPv6 groups (MLD)", group_report_v6),
    ("a report of IPv4 groups (IGMP)", group_report_v4),
];

/// The host's link-local address, and one that it asks for.
const HOST: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const WANTED: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// Groups: nodes with the same end of an address, routers that listen to MLDv2, and routers that listen to IGMPv3.
const SOLICITED: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1);
const MLD_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
const IGMP_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);
/// Next headers and protocols (IANA).
const HOP_BY_HOP: u8 = 0;
const IGMP: u8 = 2;
const ICMPV6: u8 = 58;

/// RFC 4861 section 4.3, with the marker as an option.
fn neighbour_solicitation(attempt: &Attempt) -> Result<Vec<u8>> {
    let message = [
        &[135, 0, 0, 0, 0, 0, 0, 0],
        &WANTED.octets()[..],
        &attempt.marker,
    ]
    .concat();
    v6_frame(SOLICITED, ICMPV6, &message)
}

/// RFC 3810 section 5.2, behind a Router Alert option (RFC 2711).
fn group_report_v6(attempt: &Attempt) -> Result<Vec<u8>> {
    let options = [ICMPV6, 0, 5, 2, 0, 0, 1, 0];
    let message = [&options[..], &[143, 0, 0, 0, 0, 0, 0, 0], &attempt.marker].concat();
    v6_frame(MLD_ROUTERS, HOP_BY_HOP, &message)
}

/// RFC 3376 section 4.2, behind a Router Alert option (RFC 2113).
fn group_report_v4(attempt: &Attempt) -> Result<Vec<u8>> {
    let message = [&[0x22, 0, 0, 0, 0, 0, 0, 0], &attempt.marker[..]].concat();
    let length = u16::try_from(24 + message.len())?.to_be_bytes();
    let header = [0x46, 0xc0, length[0], length[1], 0, 0, 0, 0, 1, IGMP, 0, 0];
    let addresses = [[10, 53, 0, 2], IGMP_ROUTERS.octets()];
    let packet = [
        &header,
        addresses.as_flattened(),
        &[0x94, 4, 0, 0],
        &message,
    ]
    .concat();
    let [_, b, c, d] = IGMP_ROUTERS.octets();
    Ok(ethernet([1, 0, 0x5e, b, c, d], HOST_MAC, IPV4, &packet))
}

fn v6_frame(to: Ipv6Addr, next: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let length = u16::try_from(payload.len())?.to_be_bytes();
    let header = [0x60, 0, 0, 0, length[0], length[1], next, 255];
    let packet = [&header, &HOST.octets()[..], &to.octets(), payload].concat();
    let [.., a, b, c, d] = to.octets();
    let group: Mac = [0x33, 0x33, a, b, c, d];
    Ok(ethernet(group, HOST_MAC, IPV6, &packet))
}
