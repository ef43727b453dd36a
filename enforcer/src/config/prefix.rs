//! Rules for prefixes of destinations: those that no packet is judged by are refused.

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};
use toml::Spanned;

use super::error::Fault;
use super::value::Text;

/// Where the IPv4 address inside is judged, whatever the network: IPv4-mapped addresses (RFC 4291 section 2.5.5.2), NAT64
/// (RFC 6052 section 2.1) and its local-use range (RFC 8215).
const JUDGED_AS_IPV4: [Ipv6Net; 3] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96),
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
];

/// The prefixes of `written` that are to be closed. What is closed is so before any address is read out of it, so a prefix must not cover
/// one of `nat64` either: nothing that is open would be reached through that.
pub(super) fn closed(
    written: Vec<Spanned<Text<IpNet>>>,
    nat64: &[Ipv6Net],
) -> Result<Vec<IpNet>, Fault> {
    destinations(written, |prefix| {
        nat64.iter().find(|net| overlap(net, prefix))
    })
}

/// The prefixes of `written` that are to be opened, where the network has the NAT64 prefixes `nat64`.
pub(super) fn opened(
    written: Vec<Spanned<Text<IpNet>>>,
    nat64: &[Ipv6Net],
) -> Result<Vec<IpNet>, Fault> {
    destinations(written, |prefix| {
        nat64.iter().find(|net| net.contains(prefix))
    })
}

fn destinations<'a>(
    written: Vec<Spanned<Text<IpNet>>>,
    conflict: impl Fn(&Ipv6Net) -> Option<&'a Ipv6Net>,
) -> Result<Vec<IpNet>, Fault> {
    let checked = written.into_iter().map(|written| {
        let at = written.span();
        let Text(prefix) = written.into_inner();
        let IpNet::V6(v6) = prefix else {
            return Ok(prefix);
        };
        let built_in = JUDGED_AS_IPV4.iter().find(|net| overlap(net, &v6));
        match built_in.or_else(|| conflict(&v6)) {
            None => Ok(prefix),
            Some(carrier) => Err(Fault::new(
                at,
                format!(
                    "\"{prefix}\" overlaps {carrier}, which is judged as IPv4; write the IPv4 prefix"
                ),
            )),
        }
    });
    checked.collect()
}

fn overlap(one: &Ipv6Net, other: &Ipv6Net) -> bool {
    one.contains(other) || other.contains(one)
}
