//! Fast recognition of packets of an established connection: most of the traffic to allowed addresses.

use crate::address::Address;
use crate::flow::TCP;

const HTTPS: u32 = 443;
/// The first byte of an IPv4 header without options.
const IPV4_PLAIN: u32 = 0x45;
/// More fragments, or any fragment offset, in the second word of an IPv4 header.
const FRAGMENT: u32 = 0x3fff;
/// The SYN flag, in the fourth word of a TCP header (RFC 9293 section 3.1).
const SYN: u32 = 0x0002_0000;

/// Words of a packet, from its network header on, in memory order.
pub trait Words {
    /// The first `N`; `None` if they are not in the linear part.
    fn words<const N: usize>(&self) -> Option<[u32; N]>;
}

/// Destination and sequence number of an IPv4 packet with plain IP and TCP headers, to port 443 and without SYN; `None` for any other packet, which
/// [`super::read_ipv4`] parses.
#[inline(always)]
pub fn established_v4(packet: &impl Words) -> Option<(Address, u32)> {
    let words: [u32; 9] = packet.words()?.map(u32::from_be);
    let [
        first,
        identification,
        protocol,
        _,
        destination,
        ports,
        sequence,
        _,
        flags,
    ] = words;
    let is_plain = first >> 24 == IPV4_PLAIN
        && identification & FRAGMENT == 0
        && protocol >> 16 & 0xff == u32::from(TCP);
    if is_plain && is_open(ports, flags) {
        return Some((Address::from_v4(destination), sequence));
    }
    None
}

/// As [`established_v4`], for IPv6.
#[inline(always)]
pub fn established_v6(packet: &impl Words) -> Option<(Address, u32)> {
    let words: [u32; 14] = packet.words()?.map(u32::from_be);
    let [
        first,
        next,
        _,
        _,
        _,
        _,
        a,
        b,
        c,
        d,
        ports,
        sequence,
        _,
        flags,
    ] = words;
    let is_plain = first >> 28 == 6 && next >> 8 & 0xff == u32::from(TCP);
    if is_plain && is_open(ports, flags) {
        let half = |upper, lower| u128::from(u64::from(upper) << 32 | u64::from(lower));
        let destination = Address::from_v6(half(a, b) << 64 | half(c, d));
        return Some((destination, sequence));
    }
    None
}

#[inline(always)]
const fn is_open(ports: u32, flags: u32) -> bool {
    ports & 0xffff == HTTPS && flags & SYN == 0
}
