//! Addresses and ports of a packet with a DNS message.

use crate::flow::{TCP, UDP};
use crate::{Address, Bytes};

/// The port of DNS servers (RFC 1035 section 4.2).
pub const PORT: u16 = 53;
/// More fragments, or any fragment offset, in the IPv4 header.
const FRAGMENT: u16 = 0x3fff;
/// Length of a UDP header.
const UDP_LEN: u32 = 8;
/// Length of the fixed IPv6 header.
const IPV6_LEN: u32 = 40;

/// A UDP datagram or TCP segment that is not a fragment and, over IPv6, has no extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Source address; `None` for an IPv4 address embedded in an IPv6 one, which is a different sender.
    pub source: Option<Address>,
    /// Whether it is TCP.
    pub is_tcp: bool,
    /// The source port.
    pub source_port: u16,
    /// Packet offset of its data.
    pub data: u32,
}

impl Segment {
    /// Parses an IPv4 packet.
    #[inline(always)]
    pub fn read_ipv4(packet: &impl Bytes) -> Option<Self> {
        let header = packet.fixed::<0, 20>()?;
        let length = u32::from(header[0] & 0x0f) * 4;
        let fragment = u16::from_be_bytes([header[6], header[7]]) & FRAGMENT;
        if header[0] >> 4 != 4 || length < 20 || fragment != 0 {
            return None;
        }
        let source = u32::from_be_bytes([header[12], header[13], header[14], header[15]]);
        Self::read(packet, Some(Address::from_v4(source)), header[9], length)
    }

    /// Parses an IPv6 packet.
    #[inline(always)]
    pub fn read_ipv6(packet: &impl Bytes) -> Option<Self> {
        let start = packet.fixed::<0, 8>()?;
        if start[0] >> 4 != 6 {
            return None;
        }
        let source = Address::from_v6(u128::from_be_bytes(packet.fixed::<8, 16>()?));
        let source = if source.v4().is_some() {
            None
        } else {
            Some(source)
        };
        Self::read(packet, source, start[6], IPV6_LEN)
    }

    #[inline(always)]
    fn read(packet: &impl Bytes, source: Option<Address>, protocol: u8, at: u32) -> Option<Self> {
        let ports = packet.at::<4>(at)?;
        let header = match protocol {
            UDP => UDP_LEN,
            TCP => u32::from(packet.at::<1>(at.wrapping_add(12))?[0] >> 4) * 4,
            _ => return None,
        };
        Some(Self {
            source,
            is_tcp: protocol == TCP,
            source_port: u16::from_be_bytes([ports[0], ports[1]]),
            data: at.wrapping_add(header),
        })
    }
}
