//! An address as the rule sees it.

use std::net::IpAddr;

use enforcer_common::{Address, Class};
use ipnet::Ipv6Net;

/// An address in the one form in which it is judged, as far as its own bits tell: IPv4-mapped and well-known NAT64 addresses are the IPv4
/// address inside.
pub fn address(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(ip) => Address::from_v4(ip.into()),
        IpAddr::V6(ip) => Address::from_v6(ip.into()),
    }
}

/// The address that the rule judges for a packet to `ip`, where the network has these NAT64 prefixes: the kernel reads the IPv4 address out of
/// such a destination, so whatever is said of an address must be said of that one.
pub fn effective_address(ip: IpAddr, nat64: &[Ipv6Net]) -> IpAddr {
    let covers = |net: &&Ipv6Net| matches!(ip, IpAddr::V6(ip) if net.contains(&ip));
    let prefix = nat64
        .iter()
        .filter(covers)
        .max_by_key(|net| net.prefix_len());
    let class = prefix.map_or(Class::Unprotected, |net| Class::Nat64(net.prefix_len()));
    let judged = enforcer_common::judged(address(ip), class);
    match judged.v4() {
        Some(inner) => IpAddr::V4(inner.into()),
        None => IpAddr::V6(judged.bits().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_is_found_in_every_form_that_carries_it() {
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
