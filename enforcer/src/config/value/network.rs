//! Prefixes and addresses.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv6Net};

use super::{FromText, Located, Text};
use crate::config::faults::Faults;

/// The port of DNS servers unless one is given (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;
/// The prefix lengths that RFC 6052 section 2.2 defines.
const NAT64_LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];
/// Prefixes whose addresses count as the IPv4 address inside, on every network: IPv4-mapped addresses (RFC 4291 section 2.5.5.2), NAT64
/// (RFC 6052 section 2.1) and its local-use range (RFC 8215).
const JUDGED_AS_IPV4: [Ipv6Net; 3] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96),
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
];

/// A NAT64 prefix (RFC 6052 section 2.2).
pub(in crate::config) struct Nat64(pub(in crate::config) Ipv6Net);

/// Returns the prefixes of `written`, which are to be protected. The protected set is matched before the IPv4 address is extracted, so a
/// prefix must not cover one of `nat64` either: no allowed address would be reachable through that.
pub(in crate::config) fn protected_prefixes(
    written: Vec<Located<Text<IpNet>>>,
    nat64: &[Ipv6Net],
    faults: &mut Faults,
) -> Vec<IpNet> {
    let conflict = |prefix: &Ipv6Net| nat64.iter().find(|net| overlap(net, prefix));
    prefixes(written, conflict, faults)
}

/// Returns the prefixes of `written`, which are to be allowed on a network with the NAT64 prefixes `nat64`.
pub(in crate::config) fn allowed_prefixes(
    written: Vec<Located<Text<IpNet>>>,
    nat64: &[Ipv6Net],
    faults: &mut Faults,
) -> Vec<IpNet> {
    let conflict = |prefix: &Ipv6Net| nat64.iter().find(|net| net.contains(prefix));
    prefixes(written, conflict, faults)
}

/// Returns the prefixes; those that no destination is compared with are faults.
fn prefixes<'a>(
    written: Vec<Located<Text<IpNet>>>,
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

impl FromText for IpNet {
    const EXPECTED: &'static str = "a prefix in quotes, such as \"10.1.0.0/24\"";

    fn from_text(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Err(format!(
                "\"{text}\" has no prefix length; for this one address write \"{}\"",
                Self::from(address)
            ));
        }
        let Ok(prefix) = text.parse::<Self>() else {
            return Err(format!(
                "\"{text}\" is not a prefix; write one such as \"10.1.0.0/24\" or \"2001:db8::/32\""
            ));
        };
        if prefix.trunc() != prefix {
            return Err(format!(
                "\"{text}\" has bits set after its length; write \"{}\"",
                prefix.trunc()
            ));
        }
        if prefix.prefix_len() == 0 {
            return Err(format!(
                "\"{text}\" is every address, loopback and the local network included; write the prefixes you mean \
                 (to deny everything else, set protect.default = \"deny\")"
            ));
        }
        match prefix {
            Self::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => Err(format!(
                "\"{text}\" is IPv4-mapped and judged as IPv4; write the IPv4 prefix"
            )),
            Self::V4(_) | Self::V6(_) => Ok(prefix),
        }
    }
}

impl FromText for Nat64 {
    const EXPECTED: &'static str = "an IPv6 prefix in quotes, such as \"2001:db8:64::/96\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let IpNet::V6(prefix) = IpNet::from_text(text)? else {
            return Err(format!("\"{text}\" is IPv4; a NAT64 prefix is IPv6"));
        };
        if !NAT64_LENGTHS.contains(&prefix.prefix_len()) {
            return Err(format!(
                "\"{text}\": a NAT64 prefix is 32, 40, 48, 56, 64 or 96 bits long (RFC 6052)"
            ));
        }
        if prefix.addr().octets().get(8).is_some_and(|byte| *byte != 0) {
            return Err(format!(
                "\"{text}\": bits 64 to 71 of a NAT64 prefix are zero (RFC 6052)"
            ));
        }
        Ok(Self(prefix))
    }
}

/// An address and port to listen on.
pub(in crate::config) struct Listen(pub(in crate::config) SocketAddr);

impl FromText for Listen {
    const EXPECTED: &'static str = "an address with a port in quotes, such as \"127.0.0.1:9469\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let Ok(address) = text.parse::<SocketAddr>() else {
            return Err(format!(
                "\"{text}\" is not an address with a port; write one such as \"127.0.0.1:9469\" or \"[::1]:9469\""
            ));
        };
        if address.port() == 0 || address.ip().is_multicast() {
            return Err(format!(
                "\"{text}\" cannot be listened on; write one such as \"127.0.0.1:9469\""
            ));
        }
        Ok(Self(address))
    }
}

impl FromText for SocketAddr {
    const EXPECTED: &'static str =
        "a server address in quotes, such as \"10.0.0.53\" or \"[2001:db8::53]:5353\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let address = text
            .parse::<IpAddr>()
            .map(|address| Self::new(address, DNS_PORT));
        let Ok(server) = address.or_else(|_| text.parse::<Self>()) else {
            return Err(format!(
                "\"{text}\" is not a server address; write one such as \"10.0.0.53\" or \"[2001:db8::53]:5353\""
            ));
        };
        if server.ip().is_unspecified() || server.ip().is_multicast() || server.port() == 0 {
            return Err(format!("\"{text}\" cannot be the address of a DNS server"));
        }
        Ok(server)
    }
}
