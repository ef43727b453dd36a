//! A second parser: recursive, over slices, written from the RFCs and not from the first one.

use std::net::Ipv6Addr;

use super::*;

/// RFC 791 section 3.1.
pub(super) fn naive_ipv4(packet: &[u8]) -> Result<Flow, PacketError> {
    let [
        first,
        _,
        _,
        _,
        _,
        _,
        flags,
        offset,
        _,
        protocol,
        _,
        _,
        _,
        _,
        _,
        _,
        rest @ ..,
    ] = packet
    else {
        return Err(PacketError::NoHeader);
    };
    let ([a, b, c, d, rest @ ..], 0x45..=0x4f) = (rest, *first) else {
        return Err(PacketError::NoHeader);
    };
    let destination = Address::from_v4(u32::from_be_bytes([*a, *b, *c, *d]));
    let len = usize::from(first - 0x45) * 4;
    let options = rest.get(..len).unwrap_or(rest);
    if names_hops(options, len - options.len()) {
        return Err(PacketError::SourceRouted(destination));
    }
    let is_fragment = flags & 0b0011_1111 != 0 || *offset != 0;
    let payload = rest.get(len..).filter(|_| !is_fragment);
    let transport = match payload {
        None if is_fragment => Transport::Hidden(*protocol),
        None => judged(*protocol, &[]),
        Some(payload) => judged(*protocol, payload),
    };
    Ok(Flow {
        destination,
        transport,
    })
}

/// RFC 791 section 3.1, options, of which the packet lacks the last `missing` bytes.
fn names_hops(options: &[u8], missing: usize) -> bool {
    match options {
        [] => missing > 0,
        [0, ..] => false,
        [1, rest @ ..] => names_hops(rest, missing),
        [131 | 137, ..] | [_] | [_, 0 | 1 | 41.., ..] => true,
        [_, len, ..] => match options.get(usize::from(*len)..) {
            Some(rest) => names_hops(rest, missing),
            None => usize::from(*len) != options.len() + missing,
        },
    }
}

/// RFC 8200 section 3.
pub(super) fn naive_ipv6(packet: &[u8]) -> Result<Flow, PacketError> {
    let Some((header, rest)) = packet.split_first_chunk::<40>() else {
        return Err(PacketError::NoHeader);
    };
    if header[0] & 0xf0 != 0x60 {
        return Err(PacketError::NoHeader);
    }
    let [.., a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *header;
    let destination = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
    let destination = judged_address(Ipv6Addr::from(destination));
    match walk(header[6], rest, 8) {
        Some(transport) => Ok(Flow {
            destination,
            transport,
        }),
        None => Err(PacketError::SourceRouted(destination)),
    }
}

fn judged_address(ip: Ipv6Addr) -> Address {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Address::from_v4(u32::from(high) << 16 | u32::from(low))
        }
        _ => Address::from_v6(ip.to_bits()),
    }
}

/// The transport after up to `bound` headers; `None` after a routing header that names further hops.
fn walk(protocol: u8, rest: &[u8], bound: u32) -> Option<Transport> {
    if bound == 0 {
        return Some(Transport::Hidden(protocol));
    }
    let is_extension = [0, 43, 44, 51, 60, 135, 139, 140].contains(&protocol);
    if !is_extension {
        return Some(judged(protocol, rest));
    }
    let [next, len, third, fourth, ..] = *rest else {
        return Some(Transport::Hidden(protocol));
    };
    let len = match protocol {
        44 => 8,
        51 => (usize::from(len) + 2) * 4,
        _ => (usize::from(len) + 1) * 8,
    };
    match protocol {
        43 if fourth > 0 => None,
        44 if third > 0 || fourth & 0xf8 > 0 || fourth & 1 > 0 => Some(Transport::Hidden(next)),
        _ => walk(next, rest.get(len..).unwrap_or(&[]), bound - 1),
    }
}

fn judged(protocol: u8, payload: &[u8]) -> Transport {
    match (protocol, payload) {
        (6, [_, _, high, low, ..]) => Transport::Tcp(u16::from(*high) << 8 | u16::from(*low)),
        (17, [_, _, high, low, ..]) => Transport::Udp(u16::from(*high) << 8 | u16::from(*low)),
        (6 | 17, _) => Transport::Hidden(protocol),
        _ => Transport::Other(protocol),
    }
}
