//! Results of a lookup, and verdicts of the answer check.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use crate::name::Name;

/// An address family, and the query type of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

impl Family {
    /// Both families.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The other family.
    pub const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }

    /// Its index in a pair of values, one per family.
    pub(in crate::resolver) const fn index(self) -> usize {
        self as usize
    }

    /// Whether `address` is of this family.
    pub(in crate::resolver) fn has(self, address: IpAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// The answers to the two queries of a lookup. They are independent: one family can fail while the other is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The answer to the A query.
    pub v4: Result<Resolved, LookupFailure>,
    /// The answer to the AAAA query.
    pub v6: Result<Resolved, LookupFailure>,
}

/// The addresses of one family, and the CNAME chain to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Addresses of the name.
    pub addresses: Vec<IpAddr>,
    /// The lowest TTL of the CNAME records and the address records.
    pub ttl: Duration,
    /// CNAME targets in order, without the queried name.
    pub chain: Vec<Name>,
}

/// Why a query returned no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupFailure {
    /// The name does not exist (RCODE 3).
    #[error("the name does not exist (NXDOMAIN)")]
    NxDomain,
    /// The name exists and has no address of this family (RFC 2308 section 2.2).
    #[error("the name has no address of this family")]
    NoAddress {
        /// The negative TTL (RFC 2308 section 5), where the answer has one.
        ttl: Option<Duration>,
    },
    /// No resolver answered in time.
    #[error("no resolver answered in time")]
    Timeout,
    /// A resolver answered with an error or with a malformed answer.
    #[error("the resolver failed: {0}")]
    ServerFailure(String),
    /// The query could not be sent, or its answer not received.
    #[error("the resolver cannot be reached: {0}")]
    Io(String),
    /// The answer check accepted none of the addresses.
    #[error("the answer check refused every address of the answer")]
    AllRefused,
}

/// Verdict of the answer check on one address of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerVerdict {
    /// The address is where the name belongs.
    Accept,
    /// The address is in no service tag. It is accepted; the tags may be stale.
    AcceptUntagged,
    /// The answer is wrong or forged, for this reason.
    Refuse(Cow<'static, str>),
}

impl AnswerVerdict {
    /// Whether the address is refused.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refuse(_))
    }
}

/// The policy's answer check: whether a name may resolve to an address.
pub type AnswerCheck<'a> = &'a dyn Fn(&Name, IpAddr) -> AnswerVerdict;

/// Whether a public or private service can have this address: it is not unspecified, loopback, link-local, multicast,
/// broadcast, reserved or IPv4-mapped (RFC 6890).
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
