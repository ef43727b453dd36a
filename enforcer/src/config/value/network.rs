//! Prefixes and addresses.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv6Net};

use super::FromText;

/// Where DNS servers listen unless a port is given (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;
/// The prefix lengths that RFC 6052 section 2.2 defines.
const NAT64_LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];
impl FromText for IpNet {
    const EXPECTED: &'static str = "a prefix in quotes, such as \"10.1.0.0/24\"";

    fn from_text(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Err(format!(
                "\"{text}\" has no length; for this one address write \"{}\"",
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
                "\"{text}\" is every address, loopback and the local network too; write the prefixes that are meant \
                 (to close the rest, set protect.default = \"deny\")"
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

/// A NAT64 prefix (RFC 6052 section 2.2).
pub(in crate::config) struct Nat64(pub(in crate::config) Ipv6Net);

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

impl FromText for SocketAddr {
    const EXPECTED: &'static str =
        "an address in quotes, such as \"10.0.0.53\" or \"[2001:db8::53]:5353\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let address = text
            .parse::<IpAddr>()
            .map(|address| Self::new(address, DNS_PORT));
        let Ok(server) = address.or_else(|_| text.parse::<Self>()) else {
            return Err(format!(
                "\"{text}\" is not the address of a server; write one such as \"10.0.0.53\" or \"[2001:db8::53]:5353\""
            ));
        };
        if server.ip().is_unspecified() || server.ip().is_multicast() || server.port() == 0 {
            return Err(format!(
                "\"{text}\" is no address that a server answers from"
            ));
        }
        Ok(server)
    }
}
