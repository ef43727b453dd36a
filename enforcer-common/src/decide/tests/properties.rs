//! Properties of every decision.

use proptest::prelude::*;

use super::*;

fn any_class() -> impl Strategy<Value = Class> {
    prop::sample::select(vec![
        Class::Unprotected,
        Class::Exempt,
        Class::Storage,
        Class::Registry,
        Class::Configured,
        Class::Unknown,
        Class::Nat64(96),
    ])
}

fn any_transport() -> impl Strategy<Value = Transport> {
    prop_oneof![
        Just(Transport::Tcp(443)),
        any::<u16>().prop_map(Transport::Tcp),
        any::<u16>().prop_map(Transport::Udp),
        any::<u8>().prop_map(Transport::Other),
        any::<u8>().prop_map(Transport::Hidden),
    ]
}

proptest! {
    #[test]
    fn a_protected_address_is_allowed_only_by_a_name_or_an_exception(
        bits: u128,
        class in any_class(),
        transport in any_transport(),
        switches in (any::<bool>(), any::<bool>(), any::<bool>()),
        allowed: bool,
        exception in prop::option::of(prop::sample::select(vec![Exception::Prefix, Exception::Name])),
    ) {
        let destination = Address::from_v6(bits);
        let policy = Policy {
            switches: Switches::new(switches.0, switches.1, switches.2),
            classes: vec![(destination, class)],
            allowed: if allowed { vec![destination] } else { vec![] },
            exceptions: exception.map(|exception| (destination, exception)).into_iter().collect(),
        };
        let decision = decide(&Flow { destination, transport }, &policy);
        let protected = matches!(class, Class::Storage | Class::Registry | Class::Configured);
        let is_allowed = exception == Some(Exception::Prefix)
            || transport == Transport::Tcp(443) && (allowed || exception.is_some());
        if protected {
            prop_assert_eq!(decision.verdict() == Verdict::Allow, is_allowed);
        }
        let denies = decision.reason as u8 >= Reason::WrongPort as u8;
        prop_assert_eq!(decision.verdict() == Verdict::Deny, denies);
    }
}
