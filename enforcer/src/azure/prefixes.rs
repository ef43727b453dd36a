//! Sets of prefixes, aggregated: sorted, disjoint and minimal.

use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A set of addresses, as the minimal sorted list of prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixSet {
    v4: Vec<Ipv4Net>,
    v6: Vec<Ipv6Net>,
}

impl FromIterator<IpNet> for PrefixSet {
    fn from_iter<I: IntoIterator<Item = IpNet>>(prefixes: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for prefix in prefixes {
            match prefix {
                IpNet::V4(prefix) => v4.push(prefix),
                IpNet::V6(prefix) => v6.push(prefix),
            }
        }
        Self {
            v4: Ipv4Net::aggregate(&v4),
            v6: Ipv6Net::aggregate(&v6),
        }
    }
}

impl PrefixSet {
    /// The IPv4 prefixes, sorted and disjoint.
    pub fn v4(&self) -> &[Ipv4Net] {
        &self.v4
    }

    /// The IPv6 prefixes, sorted and disjoint.
    pub fn v6(&self) -> &[Ipv6Net] {
        &self.v6
    }

    /// Every prefix, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = IpNet> {
        let v6 = self.v6.iter().copied().map(IpNet::V6);
        self.v4.iter().copied().map(IpNet::V4).chain(v6)
    }

    /// Whether no address is in the set.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The number of IPv4 addresses in the set.
    pub fn v4_addresses(&self) -> u64 {
        self.v4
            .iter()
            .map(|prefix| 1 << (32 - prefix.prefix_len()))
            .sum()
    }

    /// Whether `address` is in the set. An IPv4-mapped address counts as an IPv6 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.covers(address.into())
    }

    /// Whether every address of `prefix` is in the set.
    pub fn covers(&self, prefix: IpNet) -> bool {
        match prefix {
            IpNet::V4(prefix) => covers(&self.v4, prefix),
            IpNet::V6(prefix) => covers(&self.v6, prefix),
        }
    }

    /// Whether every address of `other` is in the set.
    pub fn is_superset(&self, other: &Self) -> bool {
        other.iter().all(|prefix| self.covers(prefix))
    }

    /// Whether the sets have an address in common.
    pub fn intersects(&self, other: &Self) -> bool {
        self.first_common(other).is_some()
    }

    /// Returns the first prefix that both sets cover; `None` when they are disjoint.
    pub fn first_common(&self, other: &Self) -> Option<IpNet> {
        let v4 = first_common(&self.v4, &other.v4).map(IpNet::V4);
        v4.or_else(|| first_common(&self.v6, &other.v6).map(IpNet::V6))
    }

    /// Returns the addresses of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }
}

/// A prefix of either family.
trait Prefix: Copy {
    type Address: Ord;

    fn first(self) -> Self::Address;
    fn last(self) -> Self::Address;
}

impl Prefix for Ipv4Net {
    type Address = std::net::Ipv4Addr;

    fn first(self) -> Self::Address {
        self.network()
    }

    fn last(self) -> Self::Address {
        self.broadcast()
    }
}

impl Prefix for Ipv6Net {
    type Address = std::net::Ipv6Addr;

    fn first(self) -> Self::Address {
        self.network()
    }

    fn last(self) -> Self::Address {
        self.broadcast()
    }
}

/// Whether the set covers `prefix`. One prefix of the set suffices: several that cover it together would be aggregated to one.
fn covers<P: Prefix>(sorted: &[P], prefix: P) -> bool {
    let after = sorted.partition_point(|candidate| candidate.first() <= prefix.first());
    let candidate = after.checked_sub(1).and_then(|index| sorted.get(index));
    candidate.is_some_and(|candidate| candidate.last() >= prefix.last())
}

/// Returns the first prefix in both sets. Two prefixes overlap only when one contains the other; the contained one is returned.
fn first_common<P: Prefix>(mut left: &[P], mut right: &[P]) -> Option<P> {
    while let ([a, left_rest @ ..], [b, right_rest @ ..]) = (left, right) {
        if a.last() < b.first() {
            left = left_rest;
        } else if b.last() < a.first() {
            right = right_rest;
        } else {
            let a_is_inside =
                a.first() >= b.first() && a.last().cmp(&b.last()) != Ordering::Greater;
            return Some(if a_is_inside { *a } else { *b });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn set(prefixes: &[&str]) -> PrefixSet {
        prefixes
            .iter()
            .map(|prefix| prefix.parse::<IpNet>().unwrap())
            .collect()
    }

    #[test]
    fn adjacent_prefixes_are_aggregated_within_a_family() {
        let set = set(&[
            "10.0.1.0/24",
            "10.0.0.0/24",
            "10.0.0.7/32",
            "2001:db8:1::/48",
            "2001:db8::/48",
        ]);
        let text: Vec<String> = set.iter().map(|prefix| prefix.to_string()).collect();
        assert_eq!(text, ["10.0.0.0/23", "2001:db8::/47"]);
        assert_eq!(set.v4_addresses(), 512);
    }

    #[test]
    fn the_ends_of_the_address_space_are_kept() {
        let ends = set(&[
            "0.0.0.0/32",
            "255.255.255.255/32",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
        ]);
        assert!(ends.contains("255.255.255.255".parse().unwrap()));
        assert!(ends.contains("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()));
        assert!(ends.contains("0.0.0.0".parse().unwrap()));
        assert_eq!(ends.v4_addresses(), 2);
        assert_eq!(set(&["0.0.0.0/0"]).v4_addresses(), 1 << 32);
    }

    #[test]
    fn the_first_common_prefix_is_found() {
        let storage = set(&["10.0.0.0/24", "10.2.0.0/16", "2001:db8::/32"]);
        assert_eq!(
            storage.first_common(&set(&["10.1.0.0/16", "10.3.0.0/16", "2001:db9::/32"])),
            None
        );
        let common = |other: &[&str]| {
            storage
                .first_common(&set(other))
                .map(|prefix| prefix.to_string())
        };
        assert_eq!(common(&["10.2.3.0/24"]).as_deref(), Some("10.2.3.0/24"));
        assert_eq!(common(&["10.0.0.0/8"]).as_deref(), Some("10.0.0.0/24"));
        assert_eq!(
            common(&["2001:db8:7::/48"]).as_deref(),
            Some("2001:db8:7::/48")
        );
    }

    #[test]
    fn a_single_common_address_at_either_end_is_found() {
        let block = set(&["10.0.0.0/24"]);
        for end in ["10.0.0.0/32", "10.0.0.255/32"] {
            let end = set(&[end]);
            assert_eq!(block.first_common(&end), end.iter().next());
            assert_eq!(end.first_common(&block), end.iter().next());
        }
        assert!(!block.intersects(&set(&["9.255.255.255/32", "10.0.1.0/32"])));
    }

    prop_compose! {
        fn any_v4()(address in 0u32..4096, length in 20u8..=32) -> IpNet {
            IpNet::new(Ipv4Addr::from(address).into(), length).unwrap().trunc()
        }
    }

    prop_compose! {
        fn any_v6()(address in 0u128..4096, length in 116u8..=128) -> IpNet {
            IpNet::new(Ipv6Addr::from(address).into(), length).unwrap().trunc()
        }
    }

    fn prefixes() -> impl Strategy<Value = Vec<IpNet>> {
        vec(prop_oneof![any_v4(), any_v6()], 0..40)
    }

    proptest! {
        #[test]
        fn aggregation_keeps_membership(prefixes in prefixes(), probe in 0u32..4096) {
            let set: PrefixSet = prefixes.iter().copied().collect();
            for address in [IpAddr::from(Ipv4Addr::from(probe)), Ipv6Addr::from(u128::from(probe)).into()] {
                let expected = prefixes.iter().any(|prefix| prefix.contains(&address));
                prop_assert_eq!(set.contains(address), expected);
            }
        }

        #[test]
        fn set_relations_agree_with_a_walk_over_every_address(left in prefixes(), right in prefixes()) {
            let (a, b): (PrefixSet, PrefixSet) = (left.into_iter().collect(), right.into_iter().collect());
            let space = || (0u32..4096).flat_map(|n| {
                [IpAddr::from(Ipv4Addr::from(n)), Ipv6Addr::from(u128::from(n)).into()]
            });
            prop_assert_eq!(a.intersects(&b), space().any(|ip| a.contains(ip) && b.contains(ip)));
            prop_assert_eq!(a.is_superset(&b), space().all(|ip| a.contains(ip) || !b.contains(ip)));
            let union = a.union(&b);
            prop_assert!(space().all(|ip| union.contains(ip) == (a.contains(ip) || b.contains(ip))));
            prop_assert!(union.is_superset(&a) && union.is_superset(&b));
        }
    }
}
