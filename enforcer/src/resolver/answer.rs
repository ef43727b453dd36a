//! What a lookup brings back, and what the answer check says about it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use crate::name::Name;

/// The two questions of one lookup. Each stands for itself: one family can fail while the other is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The A question.
    pub v4: Result<Resolved, LookupFailure>,
    /// The AAAA question.
    pub v6: Result<Resolved, LookupFailure>,
}

/// The addresses of one family and the way to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Addresses that the name leads to.
    pub addresses: Vec<IpAddr>,
    /// The lowest TTL of the CNAME records and the address records.
    pub ttl: Duration,
    /// CNAME targets in order, without the name that was asked for.
    pub chain: Vec<Name>,
}

/// Why a question brought no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupFailure {
    /// The name does not exist (RCODE 3).
    #[error("the name does not exist (NXDOMAIN)")]
    NxDomain,
    /// The name exists and has no address of this family (RFC 2308 section 2.2).
    #[error("the name has no address of this family")]
    NoAddress {
        /// How long that holds, where the answer says so.
        ttl: Option<Duration>,
    },
    /// No resolver answered in time.
    #[error("no resolver answered in time")]
    Timeout,
    /// A resolver answered with an error, or with something that is no answer.
    #[error("the resolver failed: {0}")]
    ServerFailure(String),
    /// The question could not be sent or the answer not be received.
    #[error("the resolver cannot be reached: {0}")]
    Io(String),
    /// The answer check accepted none of the addresses.
    #[error("the answer check refused every address of the answer")]
    AllRefused,
}

/// What the answer check says about one address of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerVerdict {
    /// It lies where the name belongs.
    Accept,
    /// It lies in no service tag: accepted, and a sign of stale tags.
    AcceptUntagged,
    /// It is a wrong or forged answer; the text says why.
    Refuse(Cow<'static, str>),
}

impl AnswerVerdict {
    /// Whether the address stays out.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refuse(_))
    }
}

/// The policy's answer check: whether a name may lead to an address.
pub type AnswerCheck<'a> = &'a dyn Fn(&Name, IpAddr) -> AnswerVerdict;

/// Whether a public or private service can have this address at all: not unspecified, loopback, link-local, multicast,
/// broadcast, reserved or an IPv4 address written as IPv6 (RFC 6890).
pub fn plausible(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let first = v4.octets()[0];
            // 0.0.0.0/8 is "this network"; 240.0.0.0/4 is reserved and ends in the broadcast address.
            first != 0
                && first < 240
                && !(v4.is_loopback() || v4.is_link_local() || v4.is_multicast())
        }
        IpAddr::V6(v6) => {
            !(v6.is_unspecified()
                || v6.is_loopback()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || v6.to_ipv4_mapped().is_some())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_no_service_can_have_are_implausible() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "169.254.1.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "::ffff:20.1.2.3",
        ] {
            assert!(!plausible(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn public_private_and_translated_addresses_are_plausible() {
        for text in [
            "20.45.122.144",
            "10.1.0.4",
            "2603:1030::1",
            "fd00::1",
            "64:ff9b::102:304",
        ] {
            assert!(plausible(text.parse().unwrap()), "{text}");
        }
    }
}
