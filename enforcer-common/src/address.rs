//! Destination addresses in the form that the rule judges.

/// The IPv4-mapped prefix `::ffff:0:0/96` (RFC 4291 section 2.5.5.2), as bits 64–95 of an address.
const MAPPED: u64 = 0x0000_ffff;
/// The first 32 bits of `64:ff9b::/96` (RFC 6052) and of [`LOCAL_NAT64`].
const NAT64: u64 = 0x0064_ff9b;
/// The first 48 bits of the local-use NAT64 range `64:ff9b:1::/48` (RFC 8215).
const LOCAL_NAT64: u64 = (NAT64 << 16) | 1;

/// The first 16 bits of 6to4 addresses, and the first 32 of Teredo addresses.
const SIX_TO_FOUR: u64 = 0x2002;
const TEREDO: u64 = 0x2001_0000;

/// A destination: 128 bits in two halves, host byte order. IPv4 is in its mapped form, so that each address has one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Address {
    /// Bits 0–63.
    pub(crate) high: u64,
    /// Bits 64–127.
    pub(crate) low: u64,
}

impl Address {
    /// An IPv4 address in host byte order.
    #[inline(always)]
    pub const fn from_v4(address: u32) -> Self {
        Self {
            high: 0,
            low: (MAPPED << 32) | address as u64,
        }
    }

    /// An IPv6 address. IPv4-mapped and well-known NAT64 addresses become the embedded IPv4 address.
    #[inline(always)]
    pub const fn from_v6(address: u128) -> Self {
        let (high, low) = ((address >> 64) as u64, address as u64);
        if high == NAT64 << 32 && low >> 32 == 0 {
            return Self::from_v4(low as u32);
        }
        Self { high, low }
    }

    /// Whether it is in the local-use NAT64 range, in which a network may have prefixes of any length of RFC 6052.
    #[inline(always)]
    pub(crate) const fn is_local_nat64(self) -> bool {
        self.high >> 16 == LOCAL_NAT64
    }

    /// The address in host byte order, if it is IPv4.
    #[inline(always)]
    pub const fn v4(self) -> Option<u32> {
        if self.high == 0 && self.low >> 32 == MAPPED {
            return Some(self.low as u32);
        }
        None
    }

    /// The IPv4 addresses to which tunnels of the transition to IPv6 carry a packet for this address: 6to4 (RFC 3056), Teredo's client and server (RFC 4380),
    /// ISATAP (RFC 5214), IPv4-compatible (RFC 4291 section 2.5.5.1) and IPv4-translated ones (RFC 7915).
    #[inline(always)]
    pub(crate) const fn tunnel_ends(self) -> [Option<Self>; 2] {
        let (upper, lower) = ((self.low >> 32) as u32, self.low as u32);
        if self.high >> 48 == SIX_TO_FOUR {
            return [Some(Self::from_v4((self.high >> 16) as u32)), None];
        }
        if self.high >> 32 == TEREDO {
            let server = Self::from_v4(self.high as u32);
            return [Some(Self::from_v4(!lower)), Some(server)];
        }
        let is_isatap = matches!(upper, 0x0000_5efe | 0x0200_5efe);
        // `::` and `::1` are no IPv4 addresses.
        let is_compatible = self.high == 0 && upper == 0 && lower > 1;
        let is_translated = self.high == 0 && upper == 0xffff_0000;
        if is_isatap || is_compatible || is_translated {
            return [Some(Self::from_v4(lower)), None];
        }
        [None, None]
    }

    /// The 128 bits as one number.
    #[inline(always)]
    pub const fn bits(self) -> u128 {
        ((self.high as u128) << 64) | self.low as u128
    }

    /// The 16 bytes that key maps and events: IPv6 as on the wire, IPv4 in its mapped form.
    #[inline(always)]
    pub const fn key(self) -> [u8; 16] {
        self.bits().to_be_bytes()
    }

    /// Whether the address is globally routable.
    ///
    /// Not global are the ranges of the IANA special-purpose registries (RFC 6890) that never belong to a host on
    /// the Internet: this-host, private, shared, loopback, link-local, documentation, benchmarking, multicast,
    /// reserved, broadcast; for IPv6 all of `::/8` and everything outside `2000::/3`, and documentation.
    #[inline(always)]
    pub const fn is_global(self) -> bool {
        match self.v4() {
            Some(address) => is_global_v4(address),
            None => is_global_v6(self.high),
        }
    }
}

#[inline(always)]
const fn is_global_v4(address: u32) -> bool {
    let octets = address.to_be_bytes();
    !matches!(
        octets,
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [198, 18..=19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

#[inline(always)]
const fn is_global_v6(high: u64) -> bool {
    let unicast = high >> 61 == 1;
    let documentation = high >> 32 == 0x2001_0db8 || high >> 44 == 0x3fff0;
    unicast && !documentation
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> Address {
        match text.parse::<IpAddr>().unwrap() {
            IpAddr::V4(address) => Address::from_v4(address.into()),
            IpAddr::V6(address) => Address::from_v6(address.into()),
        }
    }

    #[test]
    fn an_embedded_ipv4_address_is_that_ipv4_address() {
        let plain = address("20.38.98.100");
        for carrier in ["::ffff:20.38.98.100", "64:ff9b::20.38.98.100"] {
            assert_eq!(address(carrier), plain, "{carrier}");
        }
        for other in [
            "::20.38.98.100",
            "64:ff9b::1:20.38.98.100",
            "64:ff9b:1::20.38.98.100",
            "64:ff9b:2::20.38.98.100",
        ] {
            assert_ne!(address(other), plain, "{other}");
        }
    }

    #[test]
    fn the_ends_of_tunnels_are_found_in_their_addresses() {
        for (text, ends) in [
            ("2002:1426:6264::1", &["20.38.98.100"][..]),
            ("2002:1426:6264:1:2:3:4:5", &["20.38.98.100"]),
            (
                "2001:0:1426:6264:8000:1:f5ff:fffe",
                &["10.0.0.1", "20.38.98.100"],
            ),
            ("fe80::5efe:20.38.98.100", &["20.38.98.100"]),
            ("2a00:1:2:3:200:5efe:20.38.98.100", &["20.38.98.100"]),
            ("::20.38.98.100", &["20.38.98.100"]),
            ("::ffff:0:20.38.98.100", &["20.38.98.100"]),
            ("2003::1426:6264", &[]),
            ("2001:1:1426:6264::", &[]),
            ("2a00:1:2:3:0:5eff:20.38.98.100", &[]),
            ("20.38.98.100", &[]),
            ("::1", &[]),
            ("::", &[]),
        ] {
            let found = address(text).tunnel_ends().into_iter().flatten();
            let expected: Vec<_> = ends.iter().map(|end| address(end)).collect();
            assert_eq!(Vec::from_iter(found), expected, "{text}");
        }
    }

    #[test]
    fn the_local_use_nat64_range_ends_at_48_bits() {
        for (text, is_inside) in [
            ("64:ff9b:1::", true),
            ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", true),
            ("64:ff9b:0:ffff:ffff:ffff:ffff:ffff", false),
            ("64:ff9b:2::", false),
            ("20.38.98.100", false),
        ] {
            assert_eq!(address(text).is_local_nat64(), is_inside, "{text}");
        }
    }

    #[test]
    fn site_local_ranges_are_not_global() {
        for local in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "3fff::1",
            "3fff:fff::1",
            "100::1",
            "fec0::1",
        ] {
            assert!(!address(local).is_global(), "{local}");
        }
        for global in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "168.63.129.16",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2603:1030::1",
            "2001:db9::",
            "2000::",
            "3fff:1000::",
        ] {
            assert!(address(global).is_global(), "{global}");
        }
    }

    proptest! {
        #[test]
        fn a_key_reads_back_as_its_address(bits: u128) {
            let address = Address::from_v6(bits);
            prop_assert_eq!(Address::from_v6(u128::from_be_bytes(address.key())), address);
        }

        #[test]
        fn private_ranges_agree_with_the_standard_library(bits: u32) {
            let ip = Ipv4Addr::from(bits);
            let local = ip.is_private() || ip.is_loopback() || ip.is_link_local()
                || ip.is_multicast() || ip.is_broadcast() || ip.is_documentation() || ip.is_unspecified();
            prop_assert!(!local || !Address::from_v4(bits).is_global());
        }

        #[test]
        fn only_global_unicast_ipv6_is_global(bits: u128) {
            let address = Address::from_v6(bits);
            if address.v4().is_none() {
                prop_assert!(bits >> 125 == 1 || !address.is_global());
            }
        }
    }
}
