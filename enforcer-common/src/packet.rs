//! Parses the destination and the transport of a packet.

mod established;

pub use self::established::{Words, established_v4, established_v6};

use crate::address::Address;
use crate::flow::{Flow, TCP, Transport, UDP};

/// Length of an IPv4 header without options.
const IPV4_LEN: u32 = 20;
/// Length of the fixed IPv6 header.
const IPV6_LEN: u32 = 40;
/// Maximum number of headers parsed in a chain, including the transport header; RFC 8200 section 4.1 recommends at most one of each of seven extension
/// headers.
const MAX_EXTENSIONS: u32 = 8;
/// Maximum length of IPv4 options, in bytes.
const MAX_OPTIONS: u32 = 40;

/// IP protocol numbers (IANA).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;

/// More fragments, or any fragment offset, in the IPv4 header.
const IPV4_FRAGMENT: u16 = 0x3fff;
/// The same two in the IPv6 fragment header.
const IPV6_FRAGMENT: u16 = 0xfff9;

/// IPv4 options: end of list, no operation, loose and strict source route (RFC 791).
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
const LOOSE_ROUTE: u8 = 131;
const STRICT_ROUTE: u8 = 137;

/// Bytes of a packet, from its network header on.
pub trait Bytes {
    /// `N` bytes at the constant offset `AT`; `None` past the end.
    fn fixed<const AT: usize, const N: usize>(&self) -> Option<[u8; N]>;

    /// `N` bytes at an offset from the packet itself; `None` past the end.
    fn at<const N: usize>(&self, offset: u32) -> Option<[u8; N]>;
}

/// Why a packet has no flow to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketError {
    /// It ends before the destination, or its version is not that of its protocol.
    NoHeader,
    /// It names further hops (IPv4 source routes, IPv6 routing headers with segments left) past this first one.
    SourceRouted(Address),
}

/// Parses an IPv4 packet.
#[inline(always)]
pub fn read_ipv4(packet: &impl Bytes) -> Result<Flow, PacketError> {
    let header: [u8; 20] = packet.fixed::<0, 20>().ok_or(PacketError::NoHeader)?;
    let header_len = u32::from(header[0] & 0x0f) * 4;
    if header[0] >> 4 != 4 || header_len < IPV4_LEN {
        return Err(PacketError::NoHeader);
    }
    let destination = Address::from_v4(u32::from_be_bytes([
        header[16], header[17], header[18], header[19],
    ]));
    let options = header_len - IPV4_LEN;
    if options > 0 && is_source_routed(packet, options) {
        return Err(PacketError::SourceRouted(destination));
    }
    let protocol = header[9];
    let fragmented = u16::from_be_bytes([header[6], header[7]]) & IPV4_FRAGMENT != 0;
    let transport = if fragmented {
        Transport::Hidden(protocol)
    } else if options == 0 {
        transport(protocol, || packet.fixed::<20, 4>())
    } else {
        transport(protocol, || packet.at::<4>(header_len))
    };
    Ok(Flow {
        destination,
        transport,
    })
}

/// Whether the options, `len` bytes long, have a source route. Options that do not parse count as one.
#[inline(always)]
fn is_source_routed(packet: &impl Bytes, len: u32) -> bool {
    let mut at = 0;
    for _ in 0..MAX_OPTIONS {
        if at >= len {
            return at > len;
        }
        let Some([kind]) = packet.at::<1>(at.wrapping_add(IPV4_LEN)) else {
            return true;
        };
        match kind {
            END_OF_OPTIONS => return false,
            LOOSE_ROUTE | STRICT_ROUTE => return true,
            NO_OPERATION => at = at.wrapping_add(1),
            _ => match packet.at::<1>(at.wrapping_add(IPV4_LEN + 1)) {
                Some([option_len @ 2..=40]) => at = at.wrapping_add(option_len.into()),
                Some(_) | None => return true,
            },
        }
    }
    false
}

/// Parses an IPv6 packet, including its extension headers.
#[inline(always)]
pub fn read_ipv6(packet: &impl Bytes) -> Result<Flow, PacketError> {
    let start: [u8; 8] = packet.fixed::<0, 8>().ok_or(PacketError::NoHeader)?;
    if start[0] >> 4 != 6 {
        return Err(PacketError::NoHeader);
    }
    let destination = packet.fixed::<24, 16>().ok_or(PacketError::NoHeader)?;
    let destination = Address::from_v6(u128::from_be_bytes(destination));
    let transport = match start[6] {
        protocol @ (TCP | UDP) => transport(protocol, || packet.fixed::<40, 4>()),
        protocol => match follow_extensions(packet, protocol) {
            Chain::Ends(transport) => transport,
            Chain::Routed => return Err(PacketError::SourceRouted(destination)),
        },
    };
    Ok(Flow {
        destination,
        transport,
    })
}

/// End of a chain of extension headers.
enum Chain {
    Ends(Transport),
    Routed,
}

#[inline(always)]
fn follow_extensions(packet: &impl Bytes, first: u8) -> Chain {
    let mut protocol = first;
    let mut offset = IPV6_LEN;
    for _ in 0..MAX_EXTENSIONS {
        let unit = match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | HOST_IDENTITY | SHIM6 => 8,
            AUTHENTICATION => 4,
            FRAGMENT => 0,
            _ => return Chain::Ends(transport(protocol, || packet.at::<4>(offset))),
        };
        let Some([next, len, high, low]) = packet.at::<4>(offset) else {
            return Chain::Ends(Transport::Hidden(protocol));
        };
        // Byte 3 of a routing header counts the segments left (RFC 8200 section 4.4).
        if protocol == ROUTING && low != 0 {
            return Chain::Routed;
        }
        if protocol == FRAGMENT && u16::from_be_bytes([high, low]) & IPV6_FRAGMENT != 0 {
            return Chain::Ends(Transport::Hidden(next));
        }
        protocol = next;
        offset = offset.wrapping_add(match unit {
            8 => 8 + 8 * u32::from(len),
            4 => 8 + 4 * u32::from(len),
            _ => 8,
        });
    }
    Chain::Ends(Transport::Hidden(protocol))
}

/// The transport of `protocol`; for TCP and UDP its first four bytes are the two ports.
#[inline(always)]
fn transport(protocol: u8, ports: impl FnOnce() -> Option<[u8; 4]>) -> Transport {
    if protocol != TCP && protocol != UDP {
        return Transport::Other(protocol);
    }
    match ports() {
        None => Transport::Hidden(protocol),
        Some([_, _, high, low]) if protocol == TCP => {
            Transport::Tcp(u16::from_be_bytes([high, low]))
        }
        Some([_, _, high, low]) => Transport::Udp(u16::from_be_bytes([high, low])),
    }
}

#[cfg(test)]
mod tests;
