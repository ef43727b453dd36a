//! The addresses and prefixes that the maps allow, entry by entry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aya::maps::MapError;
use aya::maps::lpm_trie::Key;
use enforcer_common::layout::{AddressKey, Deadline, MAX_PREFIXES, ScopedAddress};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Maps;
use crate::sys::KernelError;

/// Length of the prefix of IPv4-mapped addresses (RFC 4291 section 2.5.5.2).
const MAPPED: u32 = 96;

/// What the maps allow besides what nothing protects, without the addresses that the kernel programs read from DNS answers themselves.
#[derive(Debug)]
pub(crate) struct Grants {
    /// Addresses of allowed names.
    pub(crate) names: Vec<IpAddr>,
    /// Addresses of names of exceptions.
    pub(crate) addresses: Vec<Grant<IpAddr>>,
    /// Prefixes of exceptions.
    pub(crate) prefixes: Vec<Grant<IpNet>>,
}

/// What an exception allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant<T> {
    /// Id of the cgroup; `ANY_SCOPE` for packets without a socket.
    pub(crate) cgroup: u64,
    pub(crate) to: T,
    /// When it ends, in nanoseconds since boot.
    pub(crate) deadline: Deadline,
}

impl Maps {
    /// Reads what the maps allow.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub(crate) fn grants(&self) -> Result<Grants, KernelError> {
        let what = "read the maps";
        let names = self.allowed.keys().map(|key| key.map(ip));
        let names: Result<_, MapError> = names.collect();
        let of_address = |(key, deadline): (ScopedAddress, Deadline)| Grant {
            cgroup: u64::from_be_bytes(key.cgroup),
            to: ip(key.address),
            deadline,
        };
        let addresses = self.addresses.iter().map(|entry| entry.map(of_address));
        let addresses: Result<_, MapError> = addresses.collect();
        let of_prefix = |(key, deadline): (Key<ScopedAddress>, Deadline)| {
            let (cgroup, to) = prefix(key.data(), key.prefix_len());
            Grant {
                cgroup,
                to,
                deadline,
            }
        };
        // Linux before 6.13 can return a key again if another is removed meanwhile.
        let prefixes = self.prefixes.iter().take(2 * MAX_PREFIXES as usize);
        let prefixes: Result<_, MapError> = prefixes.map(|entry| entry.map(of_prefix)).collect();
        Ok(Grants {
            names: names.map_err(KernelError::failed(what))?,
            addresses: addresses.map_err(KernelError::failed(what))?,
            prefixes: prefixes.map_err(KernelError::failed(what))?,
        })
    }
}

fn ip(key: AddressKey) -> IpAddr {
    Ipv6Addr::from(key).to_canonical()
}

/// Returns the cgroup and the prefix of a key of the trie with `bits` significant bits.
fn prefix(key: ScopedAddress, bits: u32) -> (u64, IpNet) {
    let length = bits.saturating_sub(ScopedAddress::CGROUP_BITS).min(128);
    let net = match ip(key.address) {
        IpAddr::V4(v4) if length >= MAPPED => v4_net(v4, length - MAPPED),
        IpAddr::V4(v4) => v6_net(v4.to_ipv6_mapped(), length),
        IpAddr::V6(v6) => v6_net(v6, length),
    };
    (u64::from_be_bytes(key.cgroup), net)
}

fn v4_net(address: Ipv4Addr, length: u32) -> IpNet {
    let length = u8::try_from(length).unwrap_or(32);
    Ipv4Net::new(address, length).map_or(IpAddr::V4(address).into(), IpNet::V4)
}

fn v6_net(address: Ipv6Addr, length: u32) -> IpNet {
    let length = u8::try_from(length).unwrap_or(128);
    Ipv6Net::new(address, length).map_or(IpAddr::V6(address).into(), IpNet::V6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_trie_is_the_prefix_that_it_was_made_of() {
        for (text, bits) in [
            ("198.51.100.0/24", 64 + 96 + 24),
            ("0.0.0.0/0", 64 + 96),
            ("203.0.113.7/32", 64 + 128),
            ("2001:db8::/32", 64 + 32),
            ("::/0", 64),
        ] {
            let net: IpNet = text.parse().unwrap();
            let network = crate::policy::address(net.network()).key();
            let key = ScopedAddress::new(7, network);
            // The zero address is no IPv4-mapped one.
            assert_eq!(prefix(key, bits), (7, net), "{text}");
        }
    }
}
