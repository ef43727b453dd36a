//! The destinations of the attempts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use anyhow::Result;
use enforcer_common::{Address, Class, PolicyView as _};
use ipnet::IpNet;

use super::in_force::InForce;
use crate::bpf::{LivePolicy, Maps, Pins};
use crate::core::protected;
use crate::policy::{Layer, Tables, address, compile_tables};

/// Position of the address in its prefix, if the prefix is long enough.
const POSITION: u128 = 10;
/// Unprotected destinations, for documentation (RFC 5737, RFC 3849).
const UNPROTECTED: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// Destinations that the policy decides differently, and the protected set of the configuration.
pub(super) struct Targets {
    /// Storage addresses, IPv4 first.
    pub(super) storage: Vec<IpAddr>,
    /// Addresses of registries that are not allowed, IPv4 first.
    pub(super) registries: Vec<IpAddr>,
    /// Addresses outside the protected set, and whether they are to be allowed.
    pub(super) unprotected: Vec<IpAddr>,
    pub(super) default_allow: bool,
    pub(super) layers: Vec<Layer>,
    pub(super) tables: Arc<Tables>,
}

impl Targets {
    /// Chooses addresses of the protected set that no name allows.
    ///
    /// # Errors
    /// If the protected set does not compile.
    pub(super) fn choose(in_force: &InForce) -> Result<Self> {
        let config = &in_force.sources.config;
        let layers = in_force.sources.layers()?;
        let tables = compile_tables(&protected(&in_force.sources, &[])?)?;
        let maps = Maps::open(&Pins::new(&in_force.paths.pins)).ok();
        let policy = maps
            .as_ref()
            .and_then(|maps| LivePolicy::new(maps, Vec::new()).ok());
        // Of this class in force as well, and not allowed.
        let is_closed = |of: Address, class: Class| {
            let mut live = policy.iter();
            live.all(|live| live.class(of) == class && !live.is_allowed(of))
        };
        let first = |class: Class, is_v4: bool| {
            let layers = layers.iter().filter(|layer| layer.class == class);
            let prefixes = layers.flat_map(|layer| &layer.prefixes);
            let of_family = prefixes.filter(|prefix| prefix.addr().is_ipv4() == is_v4);
            let mut addresses = of_family.map(inside);
            addresses.find(|ip| {
                let of = address(*ip);
                tables.class(of) == class && is_closed(of, class)
            })
        };
        let both = |class| {
            [true, false]
                .into_iter()
                .filter_map(move |v4| first(class, v4))
        };
        let unprotected = UNPROTECTED.into_iter();
        Ok(Self {
            storage: both(Class::Storage).collect(),
            registries: both(Class::Registry).collect(),
            unprotected: unprotected
                .filter(|ip| tables.class(address(*ip)) == Class::Unprotected)
                .collect(),
            default_allow: config.protect.default == crate::config::DefaultAction::Allow,
            layers,
            tables,
        })
    }
}

/// Returns an address inside a prefix.
fn inside(prefix: &IpNet) -> IpAddr {
    match prefix {
        IpNet::V4(net) => {
            let position = u32::try_from(POSITION).unwrap_or_default();
            let last = u32::from(net.broadcast()) - u32::from(net.network());
            Ipv4Addr::from(u32::from(net.network()) + position.min(last)).into()
        }
        IpNet::V6(net) => {
            let last = u128::from(net.broadcast()) - u128::from(net.network());
            Ipv6Addr::from(u128::from(net.network()) + POSITION.min(last)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_inside_its_prefix() {
        for (prefix, expected) in [
            ("20.38.98.0/24", "20.38.98.10"),
            ("20.38.98.4/31", "20.38.98.5"),
            ("20.38.98.4/32", "20.38.98.4"),
            ("0.0.0.0/0", "0.0.0.10"),
            ("2603:1030:a::/48", "2603:1030:a::a"),
            ("::/0", "::a"),
        ] {
            let inside = inside(&prefix.parse().unwrap());
            assert_eq!(inside, expected.parse::<IpAddr>().unwrap(), "{prefix}");
        }
    }
}
