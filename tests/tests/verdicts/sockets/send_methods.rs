//! The cases: methods of `lab/send_methods`, each to a protected, an allowed and an unlisted address, in every
//! representation of an address on a socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::fixture::Probe;

/// The policy for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Storage,
    Allowed,
    Unlisted,
}

/// The representation of an address on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    V4,
    V6,
    Mapped,
    Nat64,
    LocalNat64,
    /// Mapped, in the header of an IPv6 packet: raw sockets do not convert it to IPv4.
    MappedOnWire,
}

/// The kind of packets that a method sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// TCP to port 443.
    Https,
    /// Anything else.
    Other,
    /// Denied for every destination: source-routed or malformed.
    Never,
}
use Form::{LocalNat64, Mapped, MappedOnWire, Nat64, V4, V6};
use Kind::{Https, Never, Other};

const ALL: &[Form] = &[V4, V6, Mapped, Nat64, LocalNat64];
const WIRE: &[Form] = &[V4, V6, Nat64, LocalNat64];
const RAW: &[Form] = &[V4, V6, Nat64, LocalNat64, MappedOnWire];
const ONLY_V4: &[Form] = &[V4];
const ONLY_V6: &[Form] = &[V6, Nat64, LocalNat64];

const SEND_METHODS: &[(&str, &[Form], Kind)] = &[
    ("tcp", ALL, Https),
    ("tcp-other-port", ALL, Other),
    ("tcp-bound", ALL, Https),
    ("tcp-fast-open", ALL, Https),
    ("tcp-fast-open-connect", ALL, Https),
    ("tcp-after-refusal", WIRE, Https),
    ("mptcp", ALL, Https),
    ("mptcp-fast-open", ALL, Https),
    ("sctp", WIRE, Other),
    ("sctp-message", WIRE, Other),
    ("udp-sendto", ALL, Other),
    ("udp-sendmsg", ALL, Other),
    ("udp-connected", ALL, Other),
    ("udp-connected-elsewhere", ALL, Other),
    ("udp-reconnected", ALL, Other),
    ("udp-corked", ALL, Other),
    ("udp-corked-elsewhere", ALL, Other),
    ("udp-in-fragments", ALL, Other),
    ("udp-in-segments", ALL, Other),
    ("udp-lite", WIRE, Other),
    ("ping", WIRE, Other),
    ("raw-ping", WIRE, Other),
    ("raw", RAW, Other),
    ("raw-connected", RAW, Other),
    ("raw-in-fragments", RAW, Other),
    ("raw-tcp", WIRE, Other),
    ("raw-udp", WIRE, Other),
    ("own-header", RAW, Other),
    ("own-header-past-its-address", RAW, Other),
    ("own-header-connected", WIRE, Other),
    ("own-header-first-fragment", WIRE, Other),
    ("own-header-later-fragment", RAW, Other),
    ("own-header-of-another-version", WIRE, Never),
    ("own-header-bound-source", ONLY_V4, Other),
    ("own-header-source-route", ONLY_V4, Never),
    ("own-header-broken-options", ONLY_V4, Never),
    ("own-header-behind-headers", ONLY_V6, Other),
    ("own-header-behind-too-many-headers", ONLY_V6, Other),
    ("own-header-routing-header", ONLY_V6, Never),
    ("tunnel-ipip", ONLY_V4, Other),
    ("tunnel-6in4", WIRE, Other),
    ("tunnel-gre", WIRE, Other),
    ("tunnel-esp", WIRE, Other),
    ("loose-source-route", ONLY_V4, Never),
    ("source-route-over-the-address", ONLY_V4, Never),
    ("source-route-in-the-message", ONLY_V4, Never),
    ("source-route-tcp", ONLY_V4, Never),
    ("source-route-raw", ONLY_V4, Never),
    ("routing-header-2", ONLY_V6, Never),
    ("routing-header-4", ONLY_V6, Never),
    ("routing-header-over-the-address", ONLY_V6, Never),
    ("routing-header-in-the-message", ONLY_V6, Never),
    ("routing-header-tcp", ONLY_V6, Never),
    ("options-before-tcp", ONLY_V6, Other),
    ("options-before-udp", ONLY_V6, Other),
    ("in-another-user", ALL, Other),
    ("socket-passed-on", ALL, Other),
    ("early-tcp", ALL, Https),
    ("early-udp", ALL, Other),
    ("early-udp-connected", ALL, Other),
    ("early-raw-connected", WIRE, Other),
    ("early-connection", &[V4, V6, Mapped], Other),
    ("early-and-moved-out", ALL, Other),
];

/// Methods that some kernels do not support.
const OPTIONAL: [&str; 7] = [
    "mptcp",
    "mptcp-fast-open",
    "sctp",
    "sctp-message",
    "udp-lite",
    "routing-header-2",
    "routing-header-in-the-message",
];
/// Methods whose calls do not report the refusal: TCP retransmits on an established connection and with IPv6 options, so does SCTP, and IPv6
/// ping sockets ignore the error.
const SILENT: [&str; 5] = [
    "early-connection",
    "options-before-tcp",
    "sctp",
    "sctp-message",
    "ping",
];
/// Methods whose packets [`lab::topology::packet_counter::PacketCounter`] cannot parse.
const UNCOUNTED: [&str; 1] = ["own-header-of-another-version"];

/// One method with one address.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) method: &'static str,
    pub(crate) target: Target,
    form: Form,
    to: IpAddr,
    via: IpAddr,
    /// The address that the policy judges.
    pub(crate) judged: IpAddr,
    /// The addresses at which packets may arrive.
    pub(crate) counted: [IpAddr; 2],
    pub(crate) passes: bool,
    pub(crate) is_optional: bool,
    pub(crate) is_silent: bool,
    pub(crate) is_uncounted: bool,
}

impl Case {
    fn new(method: &'static str, kind: Kind, target: Target, form: Form, number: u16) -> Self {
        let (to, judged) = address(target, form, number);
        let via = hop(form, number);
        let arrives = if form == Mapped { judged } else { to };
        Self {
            method,
            target,
            form,
            to,
            via,
            judged,
            counted: [arrives, unmapped(via)],
            passes: match target {
                Target::Storage => false,
                Target::Allowed => kind == Https,
                Target::Unlisted => kind != Never,
            },
            is_optional: OPTIONAL.contains(&method),
            is_silent: SILENT.contains(&method),
            is_uncounted: UNCOUNTED.contains(&method),
        }
    }

    pub(crate) fn name(&self) -> String {
        format!(
            "{} to {:?} {} ({:?})",
            self.method, self.target, self.to, self.form
        )
    }

    pub(crate) fn attempt(&self, outside: &str) -> Probe {
        let via = if self.method == "early-and-moved-out" {
            outside.to_owned()
        } else {
            self.via.to_string()
        };
        Probe {
            method: self.method,
            to: self.to,
            via,
        }
    }
}

/// Returns all cases. Each has distinct addresses, so that every packet can be attributed.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in [Target::Storage, Target::Allowed, Target::Unlisted] {
        let mut number = 0;
        for (method, forms, kind) in SEND_METHODS {
            for form in *forms {
                number += 1;
                cases.push(Case::new(method, *kind, target, *form, number));
            }
        }
    }
    cases
}

/// Returns the address on the socket, and the one that the policy judges.
fn address(target: Target, form: Form, number: u16) -> (IpAddr, IpAddr) {
    let v4 = v4_of(target, number);
    let [a, b, c, d] = v4.octets();
    let [high, low] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    let to = match form {
        V4 => v4.into(),
        V6 => v6_of(target, number).into(),
        Mapped | MappedOnWire => v4.to_ipv6_mapped().into(),
        Nat64 => Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into(),
        LocalNat64 => Ipv6Addr::new(0x64, 0xff9b, 1, 0xfff, 0, 0, high, low).into(),
    };
    (to, if form == V6 { to } else { v4.into() })
}

fn v4_of(target: Target, number: u16) -> Ipv4Addr {
    let [high, low] = number.to_be_bytes();
    match target {
        Target::Storage => Ipv4Addr::new(20, 38, high, low),
        Target::Allowed => Ipv4Addr::new(20, 42, high, low),
        Target::Unlisted => Ipv4Addr::new(93, 184, high, low),
    }
}

fn v6_of(target: Target, number: u16) -> Ipv6Addr {
    let [first, second, third] = match target {
        Target::Storage => [0x2603, 0x1030, 0xb10b],
        Target::Allowed => [0x2603, 0x1030, 0xacc],
        Target::Unlisted => [0x2606, 0x2800, 0x80],
    };
    Ipv6Addr::new(first, second, third, 0, 0, 0, 0xcafe, number)
}

/// Returns another, unlisted address.
fn hop(form: Form, number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    let v4 = Ipv4Addr::new(198, 18, high, low);
    match form {
        V4 => v4.into(),
        Mapped => v4.to_ipv6_mapped().into(),
        V6 | Nat64 | LocalNat64 | MappedOnWire => {
            Ipv6Addr::new(0x2001, 0xdb8, 0x40, 0, 0, 0, 0, number).into()
        }
    }
}

fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
