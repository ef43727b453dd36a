//! Frames of which one look suffices, nearly all of the traffic: an IP packet directly behind an Ethernet header, of an open connection or to an address
//! that is neither protected nor allowed by a name. All others are judged in full: nothing is denied here. Only linear memory is read, which no
//! process can write.

use aya_ebpf::programs::SkBuffContext;
use enforcer_common::layout::LinkHeader;
use enforcer_common::{
    Address, Bytes, Decision, Flow, PacketError, PolicyView as _, Reason, Transport, Words,
    decide_packet, decide_tunneled, established_v4, established_v6, read_ipv4, read_ipv6,
};

use super::{flow_store, socketless};
use crate::policy_maps::{CgroupSource, KernelPolicy};
use crate::skb::Packet;
use crate::tls::flow;
use crate::verifier;

/// Offset of the type in an Ethernet header.
const TYPE_AT: usize = 12;
/// Offset of the IP header.
const IP_AT: usize = 14;
/// Offsets of the TCP header behind plain IP headers, and of the flags in it.
const V4_TCP_AT: usize = IP_AT + 20;
const V6_TCP_AT: usize = IP_AT + 40;
const FLAGS: usize = 13;
/// FIN and RST.
const CLOSES: u8 = 0x05;
/// Ethernet types (IEEE 802), with the version in the IP header.
const IPV4: ([u8; 2], u8) = ([0x08, 0x00], 4);
const IPV6: ([u8; 2], u8) = ([0x86, 0xdd], 6);

struct PlainFrame<'a>(Packet<'a>);

/// The decision to let a frame pass; `None` for one that has to be judged in full.
#[inline(always)]
pub(super) fn decision(context: &SkBuffContext, header: LinkHeader) -> Option<Decision> {
    if header != LinkHeader::Ethernet {
        return None;
    }
    let frame = PlainFrame(Packet(context));
    let [high, low, first] = frame.0.linear(TYPE_AT)?;
    let kind = ([high, low], first >> 4);
    let is_v4 = kind == IPV4;
    if !is_v4 && kind != IPV6 {
        return None;
    }
    let open = if is_v4 {
        established_v4(&frame)
    } else {
        established_v6(&frame)
    };
    if let Some((destination, sequence)) = open
        && let Some(decision) = frame.open(is_v4, destination, sequence)
    {
        return Some(decision);
    }
    frame.elsewhere(if is_v4 {
        read_ipv4(&frame)
    } else {
        read_ipv6(&frame)
    })
}

impl PlainFrame<'_> {
    /// The decision on a segment of a connection to `destination` whose ClientHello was verified.
    #[inline(always)]
    fn open(&self, is_v4: bool, destination: Address, sequence: u32) -> Option<Decision> {
        // A container's socket says what the container sent.
        let is_own = self.0.ingress() == 0 && self.0.sender().is_some();
        let reason = if is_own {
            flow::verified(&self.0, destination, sequence)
        } else {
            self.socketless(is_v4, destination, sequence)
        };
        Some(Decision {
            reason: reason?,
            destination,
        })
    }

    /// The reason that a segment passes for, of a connection without a socket of this host; `None` for its last one.
    #[inline(always)]
    fn socketless(&self, is_v4: bool, destination: Address, sequence: u32) -> Option<Reason> {
        let key = &mut flow_store::scratch()?.key;
        let (flags, port): ([u8; 1], [u8; 2]) = if is_v4 {
            let source = self.0.linear(IP_AT + 12)?;
            key.source = Address::from_v4(u32::from_be_bytes(source)).key();
            (self.0.linear(V4_TCP_AT + FLAGS)?, self.0.linear(V4_TCP_AT)?)
        } else {
            let source = self.0.linear(IP_AT + 8)?;
            key.source = Address::from_v6(u128::from_be_bytes(source)).key();
            (self.0.linear(V6_TCP_AT + FLAGS)?, self.0.linear(V6_TCP_AT)?)
        };
        if flags[0] & CLOSES != 0 {
            return None;
        }
        key.destination = destination.key();
        key.device = self.0.device();
        key.port = u16::from_be_bytes(port).into();
        socketless::verified(key, sequence)
    }

    /// The decision on a packet for which exceptions, names and the payload do not count.
    #[inline(always)]
    fn elsewhere(&self, read: Result<Flow, PacketError>) -> Option<Decision> {
        let Ok(flow) = read else {
            return None;
        };
        // An extension header may name another destination (RFC 8200 section 4.4), and is not read here.
        if let Transport::Hidden(_) = flow.transport {
            return None;
        }
        let flow = verifier::forget_flow_bounds(flow);
        let decision = decide_packet(Ok(flow), &KernelPolicy(self));
        let decision = decide_tunneled(decision, &KernelPolicy(self));
        let reason = decision.reason;
        if reason == Reason::DefaultAllow {
            // Otherwise names and exceptions count there, too.
            let is_final = KernelPolicy(self).switches().unprotected_needs_no_lookup();
            return is_final.then_some(decision);
        }
        (reason == Reason::Local || reason == Reason::Exempt).then_some(decision)
    }
}

impl Bytes for PlainFrame<'_> {
    #[inline(always)]
    fn fixed<const AT: usize, const N: usize>(&self) -> Option<[u8; N]> {
        self.0.linear(IP_AT + AT)
    }

    /// Never: what needs it is judged in full.
    #[inline(always)]
    fn at<const N: usize>(&self, _offset: u32) -> Option<[u8; N]> {
        None
    }
}

impl Words for PlainFrame<'_> {
    #[inline(always)]
    fn words<const N: usize>(&self) -> Option<[u32; N]> {
        self.0.linear(IP_AT)
    }
}

/// As if there were none.
impl CgroupSource for PlainFrame<'_> {
    #[inline(always)]
    fn exception(&self, _high: u64, _low: u64) -> u32 {
        0
    }
}
