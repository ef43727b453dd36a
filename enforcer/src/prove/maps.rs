//! The maps, held against the configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use enforcer_common::{Class, PolicyView as _};
use ipnet::IpNet;

use super::grants::grants;
use super::in_force::{InForce, RESTART};
use super::target::Targets;
use crate::bpf::{LivePolicy, Maps, Pins};
use crate::doctor::Check;
use crate::policy::address;
use crate::printable::error_chain;

/// Checks the protected set and the allowed addresses.
pub(super) fn maps(in_force: &InForce, targets: &Targets) -> Vec<Check> {
    let compared = compare_maps(in_force, targets);
    compared.unwrap_or_else(|error| vec![Check::new("maps", false, error_chain(&error), RESTART)])
}

/// Looks up both ends of every protected prefix and the addresses beside it, and every address that the daemon reports as allowed.
fn compare_maps(in_force: &InForce, targets: &Targets) -> Result<Vec<Check>> {
    let maps = Maps::open(&Pins::new(&in_force.paths.pins))?;
    let live = LivePolicy::new(&maps, Vec::new())?;
    let prefixes: Vec<&IpNet> = targets
        .layers
        .iter()
        .flat_map(|layer| &layer.prefixes)
        .collect();
    let ends = prefixes.iter().flat_map(|prefix| ends(prefix));
    let differs = |ip: &IpAddr| {
        let of = address(*ip);
        let live = live.class(of);
        // Resolvers and the host's own addresses may be exempt, unless they are in a service tag.
        let may_be_exempt = live == Class::Exempt && in_force.sources.tag_of(*ip).is_none();
        live != targets.tables.class(of) && !may_be_exempt
    };
    let wrong: Vec<_> = ends.filter(differs).collect();
    let message = match wrong.first() {
        None => format!("{} prefixes", prefixes.len()),
        Some(first) => format!("{} differ, the first at {first}", wrong.len()),
    };
    let protected = match newer_tags(in_force) {
        Some(newer) if !wrong.is_empty() => Check::unknown(
            "protected set",
            format!("{message}; {newer}"),
            "see `tags show`",
        ),
        Some(_) | None => Check::new("protected set", wrong.is_empty(), message, RESTART),
    };
    Ok([Some(protected), grants(in_force, &maps)?]
        .into_iter()
        .flatten()
        .collect())
}

/// Says why the service tags in force may be others than those that the configuration gives without its sources at run time.
fn newer_tags(in_force: &InForce) -> Option<String> {
    let tags = &in_force.status.as_ref()?.tags;
    let configured = in_force.sources.tags.change_number;
    match tags.change_number == configured && tags.added_by_api == 0 {
        true => None,
        false => Some(format!(
            "the daemon has change {} with {} prefixes of the API, the configuration alone change {configured}",
            tags.change_number, tags.added_by_api
        )),
    }
}

/// First and last address of a prefix, and the addresses before and after it.
fn ends(prefix: &IpNet) -> Vec<IpAddr> {
    fn addresses<T: Into<A>, A: Into<IpAddr>>(bits: [Option<T>; 4]) -> Vec<IpAddr> {
        let addresses = bits.into_iter().flatten();
        addresses.map(|bits| bits.into().into()).collect()
    }
    match prefix {
        IpNet::V4(net) => {
            let (first, last) = (u32::from(net.network()), u32::from(net.broadcast()));
            let around = [first.checked_sub(1), last.checked_add(1)];
            addresses::<_, Ipv4Addr>([Some(first), Some(last), around[0], around[1]])
        }
        IpNet::V6(net) => {
            let (first, last) = (u128::from(net.network()), u128::from(net.broadcast()));
            let around = [first.checked_sub(1), last.checked_add(1)];
            addresses::<_, Ipv6Addr>([Some(first), Some(last), around[0], around[1]])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_prefix_have_neighbours() {
        let ends = |prefix: &str| -> Vec<String> {
            let ends = ends(&prefix.parse().unwrap());
            ends.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            ends("20.38.98.0/24"),
            ["20.38.98.0", "20.38.98.255", "20.38.97.255", "20.38.99.0"]
        );
        assert_eq!(ends("0.0.0.0/0"), ["0.0.0.0", "255.255.255.255"]);
        assert_eq!(ends("::/1").len(), 3);
    }
}
