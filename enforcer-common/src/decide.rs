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

/// The one rule that decided, and with it the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// The line that decided.
    pub reason: Reason,
    /// The destination that was judged: behind a NAT64 prefix, the IPv4 address.
    pub destination: Address,
}

impl Decision {
    /// Pass or drop.
    #[inline(always)]
    pub const fn verdict(self) -> Verdict {
        if self.reason.denies() {
            return Verdict::Deny;
        }
        Verdict::Allow
    }
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
        Err(PacketError::SourceRouted(first_hop)) => Decision {
            reason: Reason::SourceRouted,
            destination: first_hop,
        },
        Err(PacketError::NoHeader) => Decision {
            reason: Reason::Unreadable,
            destination: Address::from_v4(0),
        },
    }
}

/// Judges a flow.
#[inline(always)]
pub fn decide(flow: &Flow, view: &impl PolicyView) -> Decision {
    let (destination, class) = classify(flow.destination, view);
    let is_https = flow.transport == Transport::Tcp(HTTPS);
    let reason = match class {
        Class::Open => decide_open(is_https, destination, view),
        Class::Exempt => Reason::Exempt,
        Class::Storage => decide_named(is_https, destination, view).unwrap_or(Reason::Storage),
        Class::Registry => decide_named(is_https, destination, view).unwrap_or(Reason::Registry),
        Class::Configured => {
            decide_named(is_https, destination, view).unwrap_or(Reason::Configured)
        }
        Class::Nat64(_) | Class::Unknown if destination.is_global() => Reason::NoTable,
        Class::Nat64(_) | Class::Unknown => Reason::Local,
    };
    Decision {
        reason,
        destination,
    }
}

/// The decision on a `connect` call. It differs from that on a packet in one case: connecting a datagram socket sends nothing, and resolvers
/// do it to sort the addresses of an allowed name. The packets of such a socket are judged as they leave.
#[inline(always)]
pub fn decide_connect(flow: &Flow, view: &impl PolicyView) -> Decision {
    let decision = decide(flow, view);
    match (decision.reason, flow.transport) {
        (Reason::WrongPort, Transport::Udp(_)) => Decision {
            reason: Reason::AllowedName,
            ..decision
        },
        _ => decision,
    }
}

/// The destination that counts for a packet to `address`, which is of `class`: behind a NAT64 prefix, the IPv4 address inside.
#[inline(always)]
pub const fn judged(address: Address, class: Class) -> Address {
    match class {
        Class::Nat64(bits) => nat64_inner(address, bits),
        // Without a configured prefix, the length that is usual in the range of RFC 8215.
        Class::Open if address.is_local_nat64() => nat64_inner(address, 96),
        Class::Open
        | Class::Exempt
        | Class::Storage
        | Class::Registry
        | Class::Configured
        | Class::Unknown => address,
    }
}

#[inline(always)]
fn classify(address: Address, view: &impl PolicyView) -> (Address, Class) {
    let class = view.class(address);
    let destination = judged(address, class);
    if destination == address {
        return (address, class);
    }
    (destination, view.class(destination))
}

/// No configured prefix covers the destination.
#[inline(always)]
fn decide_open(is_https: bool, destination: Address, view: &impl PolicyView) -> Reason {
    if !destination.is_global() {
        return Reason::Local;
    }
    let switches = view.switches();
    if switches.open_needs_no_lookup() {
        return Reason::DefaultAllow;
    }
    let named = decide_named(is_https, destination, view);
    if switches.default_allows() {
        return named.unwrap_or(Reason::DefaultAllow);
    }
    named.unwrap_or(Reason::DefaultDeny)
}

/// What exceptions and allowed names say about the destination, if anything.
#[inline(always)]
fn decide_named(is_https: bool, destination: Address, view: &impl PolicyView) -> Option<Reason> {
    let named = match view.exception(destination) {
        Some(Exception::Prefix) => return Some(Reason::ExceptionPrefix),
        Some(Exception::Name) => Reason::ExceptionName,
        None if view.is_allowed(destination) => Reason::AllowedName,
        None => return None,
    };
    if is_https {
        return Some(named);
    }
    Some(Reason::WrongPort)
}

#[cfg(test)]
mod tests;
