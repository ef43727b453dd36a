//! What is loaded, held against the configuration and this binary.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::in_force::{InForce, RESTART};
use super::maps::maps;
use super::target::Targets;
use crate::bpf::{ComparedProgram, Pins};
use crate::config::{FramesMode, Mode};
use crate::core::{DeviceState, MissingHooks};
use crate::doctor::Check;
use crate::log_files::{directory, verify};
use crate::printable::error_chain;

/// Checks mode, hooks, programs, maps and network devices.
pub(super) fn check(in_force: &InForce, targets: &Targets) -> Vec<Check> {
    let mut checks = vec![mode(in_force), configuration(in_force), hooks(in_force)];
    let is_pinned = in_force
        .status
        .as_ref()
        .is_none_or(|status| !status.ephemeral);
    if is_pinned {
        checks.push(programs(in_force));
    }
    checks.extend(maps(in_force, targets));
    checks.extend(devices(in_force));
    checks.extend(event_log(in_force));
    checks
}

/// Checks the event log, and names the hash that proves what it held at this time.
fn event_log(in_force: &InForce) -> Option<Check> {
    if in_force.sources.config.log.size == 0 {
        return None;
    }
    let id = "event-log";
    let fix = "see `egress-enforcer events verify`, and compare with the journal";
    Some(match verify(&directory(&in_force.paths.state)) {
        Err(error) => Check::unknown(id, format!("it cannot be read: {error}"), fix),
        Ok(found) => {
            let is_gone = found.events == 0 && !in_force.events.is_empty();
            let problem = found.breaks.first();
            let message = match problem {
                Some(broken) => {
                    let (file, line) = (broken.file.display(), broken.line);
                    format!("{file}, line {line}: {}", broken.problem)
                }
                None if is_gone => "it is empty, but the daemon has events".to_owned(),
                None => format!(
                    "{} events, unchanged; SHA-256 of the last line {}",
                    found.events, found.head
                ),
            };
            Check::new(id, problem.is_none() && !is_gone, message, fix)
        }
    })
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

/// Checks that the configuration is the one in force.
fn configuration(in_force: &InForce) -> Check {
    let id = "configuration";
    let fix = "reload the daemon (systemctl reload egress-enforcer), see `egress-enforcer check --diff`, then run it again";
    let Some(status) = &in_force.status else {
        return Check::unknown(
            id,
            "no daemon runs that could say what it enforces",
            "start it",
        );
    };
    let mut differences = in_force.differences.clone();
    let same = status.config.as_ref() == Some(&in_force.file);
    if !same {
        let other = status.config.as_ref();
        let other = other.map_or("the command line".to_owned(), |file| {
            file.display().to_string()
        });
        differences.push(format!("the daemon's configuration is {other}"));
    }
    let message = match differences.is_empty() {
        true => in_force.file.display().to_string(),
        false => format!("not what is in force: {}", differences.join("; ")),
    };
    Check::new(id, differences.is_empty(), message, fix)
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
            Some(found) if found.cgroup != scope => {
                Some(format!("{name} is attached to another cgroup"))
            }
            Some(found) if found.tag != *own => Some(format!(
                "{name} has the tag {:016x}, and {own:016x} in this binary",
                found.tag
            )),
            Some(found) if !found.foreign_maps.is_empty() => Some(format!(
                "{name} does not use the pinned maps {}",
                found.foreign_maps.join(", ")
            )),
            Some(_) => None,
        }
    };
    compared.iter().filter_map(difference).collect()
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
    let (filtered, audited, open, skipped) = (
        described(DeviceState::Filtered),
        described(DeviceState::Audited),
        described(DeviceState::Unfiltered),
        described(DeviceState::Skipped),
    );
    let mut said = vec![format!("filtered: {}", filtered.join(", "))];
    for (what, names) in [
        ("only reported: ", &audited),
        ("without filters: ", &open),
        ("to have none: ", &skipped),
    ] {
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
    use crate::bpf::AttachedProgram;

    #[test]
    fn a_program_of_another_binary_or_place_or_map_is_a_difference() {
        let program = |name, cgroup, tag, foreign_maps: &[&'static str]| ComparedProgram {
            name,
            own: 7,
            attached: Some(AttachedProgram {
                cgroup,
                tag,
                foreign_maps: foreign_maps.to_vec(),
            }),
        };
        let missing = ComparedProgram {
            attached: None,
            ..program("connect4", 42, 7, &[])
        };
        let found = differences(
            42,
            &[
                program("egress", 42, 7, &[]),
                missing,
                program("connect6", 1, 7, &[]),
                program("sendmsg4", 42, 8, &[]),
                program("sendmsg6", 42, 7, &["ALLOWED"]),
            ],
        );
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].contains("connect4 is not attached"));
        assert!(found[1].contains("another cgroup"));
        assert!(found[2].contains("0000000000000008"));
        assert!(found[3].ends_with("the pinned maps ALLOWED"));
    }
}
