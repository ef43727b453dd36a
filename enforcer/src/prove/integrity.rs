//! What is loaded, held against the configuration and this binary.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;

use anyhow::Result;
use enforcer_common::{Class, PolicyView as _};
use ipnet::IpNet;

use super::in_force::InForce;
use super::target::Targets;
use crate::bpf::{ComparedProgram, LivePolicy, Maps, Pins};
use crate::config::{FramesMode, Mode};
use crate::core::{DeviceState, MissingHooks};
use crate::doctor::Check;
use crate::policy::address;
use crate::printable::error_chain;

const RESTART: &str = "restart the service (systemctl restart egress-enforcer), then run it again";

/// Checks mode, hooks, programs, maps and network devices.
pub(super) fn check(in_force: &InForce, targets: &Targets) -> Vec<Check> {
    let mut checks = vec![mode(in_force), hooks(in_force)];
    let is_pinned = in_force
        .status
        .as_ref()
        .is_none_or(|status| !status.ephemeral);
    if is_pinned {
        checks.push(programs(in_force));
    }
    checks.extend(maps(in_force, targets));
    checks.extend(devices(in_force));
    checks
}

fn mode(in_force: &InForce) -> Check {
    let mode = match &in_force.status {
        Some(status) => status.mode,
        None => in_force.sources.config.mode,
    };
    let fix = "set mode to \"enforce\"";
    let message = match mode {
        Mode::Enforce => "enforce",
        Mode::Audit => "audit: nothing is dropped",
    };
    Check::new("mode", mode == Mode::Enforce, message, fix)
}

fn hooks(in_force: &InForce) -> Check {
    let attached = match &in_force.status {
        Some(status) => status.hooks.clone(),
        None => Pins::new(&in_force.paths.pins).attached(),
    };
    let missing = MissingHooks::new(&attached);
    let message = match missing.is_empty() {
        true => format!("{} attached", attached.len()),
        false => missing.to_string(),
    };
    Check::new("hooks", missing.is_empty(), message, RESTART)
}

/// Checks that the attached programs are those of this binary, and attached to the scope.
fn programs(in_force: &InForce) -> Check {
    let id = "programs";
    let compared = in_force.scope().and_then(|scope| {
        let scope = fs::metadata(scope)?.ino();
        let compared = Pins::new(&in_force.paths.pins).compare_programs()?;
        Ok((scope, compared))
    });
    match compared {
        Ok((scope, compared)) => {
            let wrong = differences(scope, &compared);
            let tags = compared
                .iter()
                .map(|one| format!("{} {:016x}", one.name, one.own));
            let message = match wrong.is_empty() {
                true => tags.collect::<Vec<_>>().join(", "),
                false => wrong.join("; "),
            };
            Check::new(id, wrong.is_empty(), message, RESTART)
        }
        Err(error) => Check::new(id, false, error_chain(&error), RESTART),
    }
}

fn differences(scope: u64, compared: &[ComparedProgram]) -> Vec<String> {
    let difference = |one: &ComparedProgram| {
        let ComparedProgram {
            name,
            own,
            attached,
        } = one;
        match attached {
            None => Some(format!("{name} is not attached")),
            Some((cgroup, _)) if *cgroup != scope => {
                Some(format!("{name} is attached to another cgroup"))
            }
            Some((_, tag)) if tag != own => Some(format!(
                "{name} has the tag {tag:016x}, and {own:016x} in this binary"
            )),
            Some(_) => None,
        }
    };
    compared.iter().filter_map(difference).collect()
}

fn maps(in_force: &InForce, targets: &Targets) -> Vec<Check> {
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
    let fix = "the service tags in force may be newer than those of the configuration: reload the daemon (systemctl reload egress-enforcer), then run it again";
    let protected = Check::new("protected set", wrong.is_empty(), message, fix);
    Ok([Some(protected), allowed(in_force, &live)]
        .into_iter()
        .flatten()
        .collect())
}

fn allowed(in_force: &InForce, live: &LivePolicy<'_>) -> Option<Check> {
    let status = in_force.status.as_ref()?;
    let names = status
        .registries
        .iter()
        .flat_map(|registry| &registry.names);
    let addresses: Vec<_> = names.flat_map(|name| &name.addresses).collect();
    let missing: Vec<_> = addresses
        .iter()
        .filter(|one| !live.is_allowed(address(one.address)))
        .map(|one| one.address.to_string())
        .collect();
    let message = match missing.is_empty() {
        true => format!("{} addresses", addresses.len()),
        false => format!("not in the map: {}", missing.join(", ")),
    };
    Some(Check::new(
        "allowed addresses",
        missing.is_empty(),
        message,
        RESTART,
    ))
}

/// First and last address of a prefix, and the addresses before and after it.
fn ends(prefix: &IpNet) -> Vec<IpAddr> {
    match prefix {
        IpNet::V4(net) => {
            let (first, last) = (u32::from(net.network()), u32::from(net.broadcast()));
            let around = [
                Some(first),
                Some(last),
                first.checked_sub(1),
                last.checked_add(1),
            ];
            around
                .into_iter()
                .flatten()
                .map(|bits| IpAddr::V4(bits.into()))
                .collect()
        }
        IpNet::V6(net) => {
            let (first, last) = (u128::from(net.network()), u128::from(net.broadcast()));
            let around = [
                Some(first),
                Some(last),
                first.checked_sub(1),
                last.checked_add(1),
            ];
            around
                .into_iter()
                .flatten()
                .map(|bits| IpAddr::V6(bits.into()))
                .collect()
        }
    }
}

fn devices(in_force: &InForce) -> Option<Check> {
    let status = in_force.status.as_ref()?;
    if status.frames == FramesMode::Off {
        return None;
    }
    let described = |state: DeviceState| -> Vec<String> {
        let devices = status.devices.iter().filter(|device| device.state == state);
        devices.map(|device| device.name.clone()).collect()
    };
    let (filtered, audited, open) = (
        described(DeviceState::Filtered),
        described(DeviceState::Audited),
        described(DeviceState::Unfiltered),
    );
    let mut said = vec![format!("filtered: {}", filtered.join(", "))];
    for (what, names) in [("only reported: ", &audited), ("without filters: ", &open)] {
        if !names.is_empty() {
            said.push(format!("{what}{}", names.join(", ")));
        }
    }
    let is_whole = audited.is_empty() && open.is_empty();
    let fix = "run `egress-enforcer status`: it says why";
    Some(Check::new(
        "network devices",
        is_whole,
        said.join("; "),
        fix,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_another_binary_or_place_is_a_difference() {
        let program = |name, attached| ComparedProgram {
            name,
            own: 7,
            attached,
        };
        let found = differences(
            42,
            &[
                program("egress", Some((42, 7))),
                program("connect4", None),
                program("connect6", Some((1, 7))),
                program("sendmsg4", Some((42, 8))),
            ],
        );
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("connect4 is not attached"));
        assert!(found[1].contains("another cgroup"));
        assert!(found[2].contains("0000000000000008"));
    }

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
