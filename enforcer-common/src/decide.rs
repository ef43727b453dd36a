//! The rule: the first line that matches decides (README.md, "The rule").

use crate::address::Address;
use crate::class::{Class, nat64_inner};
use crate::flow::{Flow, Transport};
use crate::layout::Switches;
use crate::packet::PacketError;
use crate::reason::{Reason, Verdict};

/// The only port that an allowed name allows: registries speak HTTPS only.
const HTTPS: u16 = 443;

/// The line of the rule that decided; the verdict follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// The line that decided.
    pub reason: Reason,
    /// The judged destination: behind a NAT64 prefix, the embedded IPv4 address.
    pub destination: Address,
}

impl Decision {
    /// Allow or deny.
    #[inline(always)]
    pub const fn verdict(self) -> Verdict {
        self.reason.verdict()
    }
}

/// How an exception covers a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// By one of its prefixes.
    Prefix,
    /// By one of its names, which resolves to the destination.
    Name,
}

/// The policy in force. The kernel programs implement it over maps, tests over `Vec`s.
pub trait PolicyView {
    /// Mode, default and shortcuts.
    fn switches(&self) -> Switches;
    /// The class of the longest configured prefix that covers `address`.
    fn class(&self, address: Address) -> Class;
    /// Whether an allowed name resolves to `address`.
    fn is_allowed(&self, address: Address) -> bool;
    /// How an exception that has not ended covers `address` for the current cgroup.
    fn exception(&self, address: Address) -> Option<Exception>;
}

/// Decides on a packet, or on the error of parsing it.
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

/// Decides on a flow.
#[inline(always)]
pub fn decide(flow: &Flow, view: &impl PolicyView) -> Decision {
    decide_destination(
        flow.destination,
        flow.transport == Transport::Tcp(HTTPS),
        view,
    )
}

/// The decision on a frame, of which `decision` is that on its packet: denied as well if a tunnel somewhere on the way would carry it to a protected IPv4
/// address that its IPv6 address contains. What an exception or an allowed name allows stays so.
#[inline(always)]
pub fn decide_tunneled(decision: Decision, view: &impl PolicyView) -> Decision {
    if decision.reason != Reason::DefaultAllow && decision.reason != Reason::Local {
        return decision;
    }
    for end in decision.destination.tunnel_ends() {
        let Some(end) = end else {
            continue;
        };
        let reason = match view.class(end) {
            Class::Storage => Reason::Storage,
            Class::Registry => Reason::Registry,
            Class::Configured => Reason::Configured,
            Class::Unknown => Reason::NoTable,
            Class::Unprotected | Class::Exempt | Class::Nat64(_) => continue,
        };
        return Decision {
            reason,
            destination: end,
        };
    }
    decision
}

/// The decision on a `connect` call. It differs from that on a packet in one case: connecting a datagram socket sends nothing, and resolvers
/// do it to sort the addresses of an allowed name. Such a socket's packets are judged as they leave.
#[inline(always)]
pub fn decide_connect(flow: &Flow, view: &impl PolicyView) -> Decision {
    let name_applies = matches!(flow.transport, Transport::Tcp(HTTPS) | Transport::Udp(_));
    decide_destination(flow.destination, name_applies, view)
}

/// `name_applies`: whether a name can allow this protocol and port.
#[inline(always)]
fn decide_destination(
    destination: Address,
    name_applies: bool,
    view: &impl PolicyView,
) -> Decision {
    let (destination, class) = classify(destination, view);
    let reason = match protected_by(class, destination, view) {
        Ok(otherwise) => decide_named(name_applies, destination, view).unwrap_or(otherwise),
        Err(last) => last,
    };
    Decision {
        reason,
        destination,
    }
}

/// The reason that applies unless an exception or an allowed name allows the destination; an error if neither is looked up.
#[inline(always)]
fn protected_by(
    class: Class,
    destination: Address,
    view: &impl PolicyView,
) -> Result<Reason, Reason> {
    match class {
        Class::Unprotected => {
            if !destination.is_global() {
                return Err(Reason::Local);
            }
            let switches = view.switches();
            if switches.unprotected_needs_no_lookup() {
                return Err(Reason::DefaultAllow);
            }
            if switches.default_allows() {
                return Ok(Reason::DefaultAllow);
            }
            Ok(Reason::DefaultDeny)
        }
        Class::Exempt => Err(Reason::Exempt),
        Class::Storage => Ok(Reason::Storage),
        Class::Registry => Ok(Reason::Registry),
        Class::Configured => Ok(Reason::Configured),
        Class::Nat64(_) | Class::Unknown if destination.is_global() => Err(Reason::NoTable),
        Class::Nat64(_) | Class::Unknown => Err(Reason::Local),
    }
}

/// The address to judge for a packet to `address` of `class`: behind a NAT64 prefix, the embedded IPv4 address.
#[inline(always)]
pub const fn judged(address: Address, class: Class) -> Address {
    match class {
        Class::Nat64(bits) => nat64_inner(address, bits),
        // Without a configured prefix, the length that is usual in the range of RFC 8215.
        Class::Unprotected if address.is_local_nat64() => nat64_inner(address, 96),
        Class::Unprotected
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

/// The reason from exceptions and allowed names, if one covers the destination.
#[inline(always)]
fn decide_named(
    name_applies: bool,
    destination: Address,
    view: &impl PolicyView,
) -> Option<Reason> {
    let named = match view.exception(destination) {
        Some(Exception::Prefix) => return Some(Reason::ExceptionPrefix),
        Some(Exception::Name) => Reason::ExceptionName,
        None if view.is_allowed(destination) => Reason::AllowedName,
        None => return None,
    };
    if name_applies {
        return Some(named);
    }
    Some(Reason::WrongPort)
}

#[cfg(test)]
mod tests;
