//! Addresses that the previous daemon allowed, and whose names may be unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use enforcer_common::layout::{AddressGrant, AddressKey, Deadline};

use crate::policy::MAX_ALLOWED;
use crate::resolver::answer::AnswerVerdict;
use crate::sources::Sources;

/// The allowed set of a daemon that was killed before it could save it. It lingers like the addresses of a removed name, so that
/// connections continue until the names are resolved.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// With the ids of the names that resolved to each; empty if another version allowed it.
    addresses: BTreeMap<IpAddr, BTreeSet<u32>>,
    until: Duration,
}

impl Inherited {
    /// Takes over `keys` with their names in `bound` until `until` (time since the start), if the answer check accepts them for a registry
    /// of `sources`.
    pub(crate) fn new<'a>(
        keys: impl Iterator<Item = &'a AddressKey>,
        bound: &BTreeMap<AddressGrant, Deadline>,
        sources: &Sources,
        until: Duration,
    ) -> Self {
        let address = |key: &AddressKey| {
            let names =
                AddressGrant::new(0, *key, 1)..AddressGrant::new(0, *key, AddressGrant::ANY_NAME);
            let names = bound.range(names).map(|(grant, _)| grant.name);
            (Ipv6Addr::from(*key).to_canonical(), names.collect())
        };
        let mut inherited = Self {
            addresses: keys.map(address).collect(),
            until,
        };
        inherited.recheck(sources);
        inherited
    }

    /// Drops addresses that the answer check refuses for every registry of `sources`.
    pub(crate) fn recheck(&mut self, sources: &Sources) {
        self.addresses.retain(|address, _| {
            sources.registry_names().any(|name| {
                !matches!(
                    sources.check_answer(name, *address),
                    AnswerVerdict::Refuse(_)
                )
            })
        });
    }

    /// Drops all addresses once their linger ends.
    pub(crate) fn expire(&mut self, now: Duration) {
        if now >= self.until {
            self.addresses.clear();
        }
    }

    /// Returns the addresses of the registry name with id `name`, and those without a known name unless a current name resolves to them
    /// (`named`).
    pub(crate) fn of<'a>(
        &'a self,
        name: u32,
        named: &'a BTreeSet<IpAddr>,
    ) -> impl Iterator<Item = IpAddr> + 'a {
        let belongs = move |(address, names): &(&IpAddr, &BTreeSet<u32>)| {
            names.contains(&name) || (names.is_empty() && !named.contains(*address))
        };
        let addresses = self.addresses.iter().filter(belongs);
        addresses.map(|(address, _)| *address)
    }

    /// Returns `known`, the addresses of names, with as many remaining inherited ones as fit.
    pub(crate) fn beside(&self, mut known: Vec<IpAddr>) -> Vec<IpAddr> {
        let named: BTreeSet<IpAddr> = known.iter().copied().collect();
        let room = MAX_ALLOWED.saturating_sub(named.len());
        let left = self
            .addresses
            .keys()
            .filter(|address| !named.contains(*address));
        known.extend(left.take(room));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> AddressKey {
        match address.parse().unwrap() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        }
    }

    const CONTOSO: &str = "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\nprivate-endpoints = [\"10.1.0.0/24\"]\n";

    #[test]
    fn inherited_addresses_linger_beside_named_ones_and_expire() {
        let keys = [key("10.1.0.4"), key("10.1.0.5")];
        let mut inherited = Inherited::new(
            keys.iter(),
            &BTreeMap::new(),
            &Sources::of_text(CONTOSO),
            Duration::from_secs(900),
        );
        let (first, second): (IpAddr, IpAddr) =
            ("10.1.0.4".parse().unwrap(), "10.1.0.5".parse().unwrap());
        inherited.expire(Duration::from_secs(899));
        assert_eq!(inherited.beside(vec![first, first]), [first, first, second]);
        inherited.expire(Duration::from_secs(900));
        assert_eq!(inherited.beside(vec![first]), [first]);
    }

    #[test]
    fn addresses_refused_for_every_registry_are_not_inherited() {
        let keys = [key("10.1.0.4"), key("2001:db8::1")];
        let closed = format!("{CONTOSO}[protect]\ncidrs = [\"2001:db8::/32\"]\n");
        let inherited = Inherited::new(
            keys.iter(),
            &BTreeMap::new(),
            &Sources::of_text(&closed),
            Duration::MAX,
        );
        assert_eq!(
            inherited.beside(Vec::new()),
            ["10.1.0.4".parse::<IpAddr>().unwrap()]
        );
        let none = Inherited::new(
            keys.iter(),
            &BTreeMap::new(),
            &Sources::of_text("registry = []\n"),
            Duration::MAX,
        );
        assert!(none.beside(Vec::new()).is_empty());
    }

    #[test]
    fn each_name_gets_its_addresses_and_those_without_a_known_name() {
        let keys = [key("10.1.0.4"), key("10.1.0.5"), key("10.1.0.6")];
        let bound = [
            AddressGrant::new(0, keys[0], 7),
            AddressGrant::new(0, keys[0], AddressGrant::ANY_NAME),
            AddressGrant::new(9, keys[1], 8),
        ];
        let bound = bound.map(|grant| (grant, Deadline::MAX));
        let sources = Sources::of_text(CONTOSO);
        let inherited = Inherited::new(keys.iter(), &bound.into(), &sources, Duration::MAX);
        let named = BTreeSet::from(["10.1.0.6".parse().unwrap()]);
        let of = |name| {
            inherited
                .of(name, &named)
                .map(|address| address.to_string())
        };
        assert_eq!(of(7).collect::<Vec<_>>(), ["10.1.0.4", "10.1.0.5"]);
        assert_eq!(of(8).collect::<Vec<_>>(), ["10.1.0.5"]);
    }
}
