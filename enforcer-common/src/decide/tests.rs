//! Each line of the rule, with a policy of `Vec`s.

mod properties;

use std::net::IpAddr;

use super::*;

/// A policy whose classes are given per address.
#[derive(Default, Clone, Debug)]
struct Policy {
    switches: Switches,
    classes: Vec<(Address, Class)>,
    allowed: Vec<Address>,
    exceptions: Vec<(Address, Exception)>,
}

impl PolicyView for Policy {
    fn switches(&self) -> Switches {
        self.switches
    }

    fn class(&self, address: Address) -> Class {
        let row = self.classes.iter().find(|(covered, _)| *covered == address);
        row.map_or(Class::Unprotected, |(_, class)| *class)
    }

    fn is_allowed(&self, address: Address) -> bool {
        self.allowed.contains(&address)
    }

    fn exception(&self, address: Address) -> Option<Exception> {
        let row = self
            .exceptions
            .iter()
            .find(|(covered, _)| *covered == address);
        row.map(|(_, exception)| *exception)
    }
}

const DEFAULT_ALLOW: Switches = Switches::new(false, true, false);
const DEFAULT_DENY: Switches = Switches::new(false, false, false);

fn address(text: &str) -> Address {
    match text.parse::<IpAddr>().unwrap() {
        IpAddr::V4(address) => Address::from_v4(address.into()),
        IpAddr::V6(address) => Address::from_v6(address.into()),
    }
}

fn https(text: &str) -> Flow {
    Flow {
        destination: address(text),
        transport: Transport::Tcp(443),
    }
}

fn reason(flow: &Flow, policy: &Policy) -> Reason {
    decide(flow, policy).reason
}

#[test]
fn a_local_address_is_allowed_even_by_default_deny() {
    let policy = Policy {
        switches: DEFAULT_DENY,
        ..Policy::default()
    };
    assert_eq!(reason(&https("10.0.0.1"), &policy), Reason::Local);
    assert_eq!(reason(&https("fe80::1"), &policy), Reason::Local);
    assert_eq!(reason(&https("::ffff:127.0.0.1"), &policy), Reason::Local);
}

#[test]
fn a_configured_prefix_protects_even_a_local_address() {
    let policy = Policy {
        switches: DEFAULT_ALLOW,
        classes: vec![(address("10.0.0.1"), Class::Configured)],
        ..Policy::default()
    };
    assert_eq!(reason(&https("10.0.0.1"), &policy), Reason::Configured);
}

#[test]
fn the_local_use_nat64_range_has_the_configured_prefix_length() {
    let mut policy = Policy {
        switches: DEFAULT_ALLOW,
        classes: vec![(address("20.38.98.100"), Class::Storage)],
        ..Policy::default()
    };
    for carrier in ["64:ff9b:1::20.38.98.100", "64:ff9b:1:abcd::20.38.98.100"] {
        assert_eq!(
            reason(&https(carrier), &policy),
            Reason::Storage,
            "{carrier}"
        );
    }
    let long = "64:ff9b:1:1426:62:6400::";
    policy.classes.push((address(long), Class::Nat64(48)));
    assert_eq!(reason(&https(long), &policy), Reason::Storage);
}

#[test]
fn an_exempt_address_is_allowed_on_every_port() {
    let policy = Policy {
        switches: DEFAULT_DENY,
        classes: vec![(address("168.63.129.16"), Class::Exempt)],
        ..Policy::default()
    };
    let flow = Flow {
        destination: address("168.63.129.16"),
        transport: Transport::Udp(53),
    };
    assert_eq!(reason(&flow, &policy), Reason::Exempt);
}

#[test]
fn an_exception_precedes_the_allowed_and_the_protected_set() {
    let storage = address("20.38.98.100");
    let mut policy = Policy {
        switches: DEFAULT_ALLOW,
        classes: vec![(storage, Class::Storage)],
        exceptions: vec![(storage, Exception::Prefix)],
        ..Policy::default()
    };
    let ping = Flow {
        destination: storage,
        transport: Transport::Other(1),
    };
    assert_eq!(reason(&ping, &policy), Reason::ExceptionPrefix);
    policy.exceptions = vec![(storage, Exception::Name)];
    assert_eq!(reason(&ping, &policy), Reason::WrongPort);
    assert_eq!(
        reason(&https("20.38.98.100"), &policy),
        Reason::ExceptionName
    );
}

#[test]
fn an_allowed_name_allows_tcp_443_only() {
    let registry = address("20.42.66.0");
    let policy = Policy {
        switches: DEFAULT_ALLOW,
        classes: vec![(registry, Class::Registry)],
        allowed: vec![registry],
        ..Policy::default()
    };
    assert_eq!(reason(&https("20.42.66.0"), &policy), Reason::AllowedName);
    for transport in [
        Transport::Tcp(80),
        Transport::Udp(443),
        Transport::Other(1),
        Transport::Hidden(6),
        Transport::Hidden(44),
    ] {
        let flow = Flow {
            destination: registry,
            transport,
        };
        let decision = decide(&flow, &policy);
        assert_eq!(decision.verdict(), Verdict::Deny, "{transport:?}");
        assert_eq!(decision.reason, Reason::WrongPort, "{transport:?}");
    }
}

#[test]
fn an_allowed_address_outside_every_prefix_allows_443_only() {
    let untagged = address("52.1.2.3");
    let policy = Policy {
        switches: Switches::new(false, true, true),
        allowed: vec![untagged],
        ..Policy::default()
    };
    let ssh = Flow {
        destination: untagged,
        transport: Transport::Tcp(22),
    };
    assert_eq!(reason(&https("52.1.2.3"), &policy), Reason::AllowedName);
    assert_eq!(reason(&ssh, &policy), Reason::WrongPort);
    assert_eq!(reason(&https("52.1.2.4"), &policy), Reason::DefaultAllow);
}

#[test]
fn each_protected_class_denies_with_its_own_reason() {
    for (class, expected) in [
        (Class::Storage, Reason::Storage),
        (Class::Registry, Reason::Registry),
        (Class::Configured, Reason::Configured),
        (Class::Unknown, Reason::NoTable),
    ] {
        let policy = Policy {
            switches: DEFAULT_ALLOW,
            classes: vec![(address("20.38.98.100"), class)],
            ..Policy::default()
        };
        let decision = decide(&https("20.38.98.100"), &policy);
        assert_eq!(decision.verdict(), Verdict::Deny);
        assert_eq!(decision.reason, expected);
    }
}

#[test]
fn the_default_decides_if_nothing_else_does() {
    let mut policy = Policy {
        switches: DEFAULT_ALLOW,
        ..Policy::default()
    };
    assert_eq!(reason(&https("1.1.1.1"), &policy), Reason::DefaultAllow);
    policy.switches = DEFAULT_DENY;
    assert_eq!(reason(&https("1.1.1.1"), &policy), Reason::DefaultDeny);
}

#[test]
fn the_ipv4_address_behind_a_configured_nat64_prefix_is_judged() {
    let carrier = address("2a00:64::20.38.98.100");
    let policy = Policy {
        switches: DEFAULT_ALLOW,
        classes: vec![
            (carrier, Class::Nat64(96)),
            (address("20.38.98.100"), Class::Storage),
        ],
        ..Policy::default()
    };
    let decision = decide(&https("2a00:64::20.38.98.100"), &policy);
    assert_eq!(decision.reason, Reason::Storage);
    assert_eq!(decision.destination, address("20.38.98.100"));
}

#[test]
fn connecting_a_datagram_socket_to_an_allowed_address_is_allowed() {
    let registry = address("20.42.66.0");
    let policy = Policy {
        switches: DEFAULT_ALLOW,
        classes: vec![
            (registry, Class::Registry),
            (address("20.38.98.100"), Class::Storage),
        ],
        allowed: vec![registry],
        ..Policy::default()
    };
    let verdict = |text: &str, transport| {
        let flow = Flow {
            destination: address(text),
            transport,
        };
        decide_connect(&flow, &policy).verdict()
    };
    assert_eq!(verdict("20.42.66.0", Transport::Udp(9)), Verdict::Allow);
    assert_eq!(verdict("20.42.66.0", Transport::Tcp(80)), Verdict::Deny);
    assert_eq!(verdict("20.38.98.100", Transport::Udp(443)), Verdict::Deny);
}

#[test]
fn an_unreadable_packet_is_denied() {
    let policy = Policy {
        switches: DEFAULT_ALLOW,
        ..Policy::default()
    };
    let unreadable = decide_packet(Err(PacketError::NoHeader), &policy);
    assert_eq!(unreadable.verdict(), Verdict::Deny);
    let routed = decide_packet(Err(PacketError::SourceRouted(address("10.0.0.1"))), &policy);
    assert_eq!(routed.reason, Reason::SourceRouted);
    assert_eq!(routed.verdict(), Verdict::Deny);
}

#[test]
fn a_tunnel_to_a_protected_address_is_denied_unless_something_allows_its_ipv6_address() {
    let storage = (address("20.38.98.100"), Class::Storage);
    let policy = Policy {
        switches: DEFAULT_ALLOW,
        classes: vec![storage],
        ..Policy::default()
    };
    let tunneled = |text: &str, policy: &Policy| {
        let decision = decide(&https(text), policy);
        decide_tunneled(decision, policy).reason
    };
    for text in [
        "2002:1426:6264::1",
        "fe80::5efe:20.38.98.100",
        "::20.38.98.100",
    ] {
        assert_eq!(tunneled(text, &policy), Reason::Storage, "{text}");
    }
    assert_eq!(tunneled("2002:0808:0808::1", &policy), Reason::DefaultAllow);
    let carrier = address("2002:1426:6264::1");
    let excepted = Policy {
        exceptions: vec![(carrier, Exception::Prefix)],
        classes: vec![storage, (carrier, Class::Configured)],
        ..policy.clone()
    };
    let reason = tunneled("2002:1426:6264::1", &excepted);
    assert_eq!(reason, Reason::ExceptionPrefix);
    let unreadable = Policy {
        classes: vec![(storage.0, Class::Unknown)],
        ..policy
    };
    assert_eq!(tunneled("2002:1426:6264::1", &unreadable), Reason::NoTable);
}
