//! Both parsers on random packets: well-formed, malformed, truncated.

use proptest::collection::vec;
use proptest::prelude::*;

use super::naive::{naive_ipv4, naive_ipv6};
use super::*;

/// One option or padding byte, sometimes a source route, sometimes malformed.
fn any_option() -> impl Strategy<Value = Vec<u8>> {
    let well_formed = (any::<u8>(), vec(any::<u8>(), 0..6));
    prop_oneof![
        4 => Just(vec![NO_OPERATION]),
        1 => Just(vec![END_OF_OPTIONS]),
        1 => vec(any::<u8>(), 1..4),
        6 => well_formed.prop_map(|(kind, data)| [vec![kind, 2 + data.len() as u8], data].concat()),
        1 => prop_oneof![Just(LOOSE_ROUTE), Just(STRICT_ROUTE)].prop_map(|kind| vec![kind, 3, 4]),
    ]
}

fn any_protocol() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(TCP), 2 => Just(UDP), 1 => any::<u8>()]
}

fn any_fragment() -> impl Strategy<Value = u16> {
    prop_oneof![3 => Just(0), 1 => Just(0x4000), 1 => any::<u16>()]
}

prop_compose! {
    pub(super) fn any_ipv4()(
        protocol in any_protocol(),
        bits in any_fragment(),
        options in vec(any_option(), 0..8),
        payload in vec(any::<u8>(), 0..12),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) -> Vec<u8> {
        let mut options = options.concat();
        options.truncate(40);
        let mut packet = ipv4(protocol, bits, &options, &payload);
        if is_cut {
            packet.truncate(cut.index(packet.len() + 1));
        }
        packet
    }
}

fn any_extension() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let plain = prop::sample::select(vec![
        HOP_BY_HOP,
        DESTINATION_OPTIONS,
        MOBILITY,
        HOST_IDENTITY,
        SHIM6,
    ]);
    prop_oneof![
        6 => (plain, 0..3_u8).prop_map(|(kind, units)| extension(kind, units)),
        2 => (0..5_u8, prop_oneof![3 => Just(0), 1 => any::<u8>()]).prop_map(|(kind, left)| routing(kind, left)),
        2 => any_fragment().prop_map(fragment),
        2 => (0..6_u8).prop_map(|units| (AUTHENTICATION, [vec![units], vec![0; 6 + 4 * usize::from(units)]].concat())),
    ]
}

prop_compose! {
    pub(super) fn any_ipv6()(
        headers in vec(any_extension(), 0..10),
        protocol in any_protocol(),
        payload in vec(any::<u8>(), 0..12),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) -> Vec<u8> {
        let mut packet = ipv6(&headers, protocol, &payload);
        if is_cut {
            packet.truncate(cut.index(packet.len() + 1));
        }
        packet
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn both_readers_agree_on_ipv4(packet in any_ipv4()) {
        prop_assert_eq!(read_ipv4(&packet.as_slice()), naive_ipv4(&packet));
    }

    #[test]
    fn both_readers_agree_on_ipv6(packet in any_ipv6()) {
        prop_assert_eq!(read_ipv6(&packet.as_slice()), naive_ipv6(&packet));
    }

    #[test]
    fn both_readers_agree_on_noise(packet in vec(any::<u8>(), 0..120), version in 0..16_u8) {
        let mut packet = packet;
        if let Some(first) = packet.first_mut() {
            *first = if version < 8 { 0x40 | version | 4 } else { 0x60 | version };
        }
        prop_assert_eq!(read_ipv4(&packet.as_slice()), naive_ipv4(&packet));
        prop_assert_eq!(read_ipv6(&packet.as_slice()), naive_ipv6(&packet));
    }
}
