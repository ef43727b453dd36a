//! Rules for prefixes of destinations: those that no packet is judged by are refused.

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};
use toml::Spanned;

use super::faults::Faults;
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
    faults: &mut Faults,
) -> Vec<IpNet> {
    let conflict = |prefix: &Ipv6Net| nat64.iter().find(|net| overlap(net, prefix));
    destinations(written, conflict, faults)
}

/// The prefixes of `written` that are to be opened, where the network has the NAT64 prefixes `nat64`.
pub(super) fn opened(
    written: Vec<Spanned<Text<IpNet>>>,
    nat64: &[Ipv6Net],
    faults: &mut Faults,
) -> Vec<IpNet> {
    let conflict = |prefix: &Ipv6Net| nat64.iter().find(|net| net.contains(prefix));
    destinations(written, conflict, faults)
}

fn destinations<'a>(
    written: Vec<Spanned<Text<IpNet>>>,
    conflict: impl Fn(&Ipv6Net) -> Option<&'a Ipv6Net>,
    faults: &mut Faults,
) -> Vec<IpNet> {
    let mut prefixes = Vec::with_capacity(written.len());
    for written in written {
        let at = written.span();
        let Text(prefix) = written.into_inner();
        if let IpNet::V6(v6) = prefix {
            let built_in = JUDGED_AS_IPV4.iter().find(|net| overlap(net, &v6));
            let carrier = built_in.or_else(|| conflict(&v6));
            let problem = carrier.map(|carrier| {
                format!(
                    "\"{prefix}\" overlaps {carrier}, which is judged as IPv4; write the IPv4 prefix"
                )
            });
            faults.check(&at, problem);
        }
        prefixes.push(prefix);
    }
    prefixes
}

fn overlap(one: &Ipv6Net, other: &Ipv6Net) -> bool {
    one.contains(other) || other.contains(one)
}
