//! The address that the rule applies to.

use std::net::IpAddr;

use enforcer_common::{Address, Class};
use ipnet::Ipv6Net;

/// Converts an address to the canonical form for the rule, as far as its bits alone show: an IPv4-mapped or well-known NAT64 address is
/// the IPv4 address in it.
pub fn address(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(ip) => Address::from_v4(ip.into()),
        IpAddr::V6(ip) => Address::from_v6(ip.into()),
    }
}

/// Returns the address that the rule applies to for a packet to `ip`, in a network with these NAT64 prefixes: the kernel program extracts
/// the IPv4 address from such a destination, so every statement about an address must be about that one.
pub fn effective_address(ip: IpAddr, nat64: &[Ipv6Net]) -> IpAddr {
    let covers = |net: &&Ipv6Net| matches!(ip, IpAddr::V6(ip) if net.contains(&ip));
    let prefix = nat64
        .iter()
        .filter(covers)
        .max_by_key(|net| net.prefix_len());
    let class = prefix.map_or(Class::Unprotected, |net| Class::Nat64(net.prefix_len()));
    let effective = enforcer_common::judged(address(ip), class);
    match effective.v4() {
        Some(inner) => IpAddr::V4(inner.into()),
        None => IpAddr::V6(effective.bits().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_is_extracted_from_every_form_that_carries_it() {
        let nat64 = ["2a00:64::/96", "2a00:65::/32"].map(|text| text.parse().unwrap());
        let inner: IpAddr = "20.38.98.100".parse().unwrap();
        for carrier in [
            "20.38.98.100",
            "::ffff:20.38.98.100",
            "64:ff9b::20.38.98.100",
            "64:ff9b:1::20.38.98.100",
            "2a00:64::20.38.98.100",
            "2a00:65:1426:6264::",
        ] {
            assert_eq!(
                effective_address(carrier.parse().unwrap(), &nat64),
                inner,
                "{carrier}"
            );
        }
        let plain: IpAddr = "2603:1030::1".parse().unwrap();
        assert_eq!(effective_address(plain, &nat64), plain);
    }
}
