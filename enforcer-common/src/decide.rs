//! The rule: the first line that matches decides (README.md, "The rule").

use crate::address::Address;
use crate::class::{Class, nat64_inner};
use crate::layout::Switches;
use crate::packet::{PacketError, TCP, UDP};
use crate::reason::Reason;

/// The one port that an allowed name opens (facts: registries speak HTTPS only).
const HTTPS: u16 = 443;

/// What is known of the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, to this port.
    Tcp(u16),
    /// UDP, to this port.
    Udp(u16),
    /// Another protocol, by its IP protocol number.
    Other(u8),
    /// A protocol whose ports cannot be seen: a fragment, or headers that end early.
    Hidden(u8),
}

impl Transport {
    /// The IP protocol number.
    pub const fn protocol(self) -> u8 {
        match self {
            Self::Tcp(_) => TCP,
            Self::Udp(_) => UDP,
            Self::Other(protocol) | Self::Hidden(protocol) => protocol,
        }
    }

    /// The destination port, or 0 where there is none to see.
    pub const fn port(self) -> u16 {
        match self {
            Self::Tcp(port) | Self::Udp(port) => port,
            Self::Other(_) | Self::Hidden(_) => 0,
        }
    }
}

/// A packet or connection attempt, as far as the rule looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Where it goes.
    pub destination: Address,
    /// How.
    pub transport: Transport,
}

/// Pass or drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Verdict {
    /// It may leave.
    Allow,
    /// It may not.
    Deny,
}

/// A verdict and the one rule that said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// Pass or drop.
    pub verdict: Verdict,
    /// The line that decided.
    pub reason: Reason,
    /// The destination that was judged: behind a NAT64 prefix, the IPv4 address.
    pub destination: Address,
}

/// How an exception covers a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// One of its prefixes does.
    Prefix,
    /// One of its names resolves to it.
    Name,
}

/// The policy in force, as the rule asks for it. The kernel answers from maps, tests from `Vec`s.
pub trait PolicyView {
    /// Mode, default and shortcuts.
    fn switches(&self) -> Switches;
    /// The class of the longest configured prefix that covers `address`.
    fn class(&self, address: Address) -> Class;
    /// Whether an allowed name resolves to `address`.
    fn is_allowed(&self, address: Address) -> bool;
    /// How an exception that has not ended covers `address` for the cgroup at hand.
    fn exception(&self, address: Address) -> Option<Exception>;
}

/// Judges a packet that was read, or could not be.
#[inline(always)]
pub fn decide_packet(packet: Result<Flow, PacketError>, view: &impl PolicyView) -> Decision {
    match packet {
        Ok(flow) => decide(&flow, view),
        Err(PacketError::SourceRouted(first_hop)) => deny(Reason::SourceRouted, first_hop),
        Err(PacketError::NoHeader) => deny(Reason::Unreadable, Address::V4(0)),
    }
}

/// Judges a flow.
#[inline(always)]
pub fn decide(flow: &Flow, view: &impl PolicyView) -> Decision {
    let (destination, class) = classify(flow.destination, view);
    match class {
        Class::Open => decide_open(flow, destination, view),
        Class::Exempt => allow(Reason::Exempt, destination),
        Class::Storage => decide_closed(flow, destination, view, Reason::Storage),
        Class::Registry => decide_closed(flow, destination, view, Reason::Registry),
        Class::Configured => decide_closed(flow, destination, view, Reason::Configured),
        Class::Nat64(_) | Class::Unknown if destination.is_global() => {
            deny(Reason::NoTable, destination)
        }
        Class::Nat64(_) | Class::Unknown => allow(Reason::Local, destination),
    }
}

/// The verdict for a `connect` call, which may differ from that for its packets in one case: connecting a datagram socket sends
/// nothing, and resolvers do it to sort the addresses of an allowed name. The packets of such a socket are judged as they leave.
#[inline(always)]
pub fn admits_connect(flow: &Flow, decision: Decision) -> Verdict {
    match (decision.verdict, decision.reason, flow.transport) {
        (Verdict::Deny, Reason::WrongPort, Transport::Udp(_)) => Verdict::Allow,
        (verdict, _, _) => verdict,
    }
}

#[inline(always)]
fn classify(address: Address, view: &impl PolicyView) -> (Address, Class) {
    match (view.class(address), address) {
        (Class::Nat64(bits), Address::V6(halves)) => {
            let inner = nat64_inner(halves, bits);
            (inner, view.class(inner))
        }
        (class, _) => (address, class),
    }
}

/// No configured prefix covers the destination.
#[inline(always)]
fn decide_open(flow: &Flow, destination: Address, view: &impl PolicyView) -> Decision {
    if !destination.is_global() {
        return allow(Reason::Local, destination);
    }
    let switches = view.switches();
    if switches.open_needs_no_lookup() {
        return allow(Reason::DefaultAllow, destination);
    }
    let otherwise = if switches.default_allows() {
        allow(Reason::DefaultAllow, destination)
    } else {
        deny(Reason::DefaultDeny, destination)
    };
    decide_named(flow, destination, view).unwrap_or(otherwise)
}

/// A configured prefix closes the destination, for `reason`.
#[inline(always)]
fn decide_closed(
    flow: &Flow,
    destination: Address,
    view: &impl PolicyView,
    reason: Reason,
) -> Decision {
    decide_named(flow, destination, view).unwrap_or(deny(reason, destination))
}

/// What exceptions and allowed names say about the destination, if anything.
#[inline(always)]
fn decide_named(flow: &Flow, destination: Address, view: &impl PolicyView) -> Option<Decision> {
    match view.exception(destination) {
        Some(Exception::Prefix) => return Some(allow(Reason::ExceptionPrefix, destination)),
        Some(Exception::Name) => return Some(https_only(flow, destination, Reason::ExceptionName)),
        None => {}
    }
    if view.is_allowed(destination) {
        return Some(https_only(flow, destination, Reason::AllowedName));
    }
    None
}

#[inline(always)]
fn https_only(flow: &Flow, destination: Address, reason: Reason) -> Decision {
    if flow.transport == Transport::Tcp(HTTPS) {
        return allow(reason, destination);
    }
    deny(Reason::WrongPort, destination)
}

#[inline(always)]
const fn allow(reason: Reason, destination: Address) -> Decision {
    Decision {
        verdict: Verdict::Allow,
        reason,
        destination,
    }
}

#[inline(always)]
const fn deny(reason: Reason, destination: Address) -> Decision {
    Decision {
        verdict: Verdict::Deny,
        reason,
        destination,
    }
}

#[cfg(test)]
mod tests;
