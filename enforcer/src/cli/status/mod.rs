//! `status`: whether the policy is in force, according to the daemon or, where none runs, to what is pinned.

mod frames;
mod tables;
mod text;

pub(super) use self::tables::name_state;

use anyhow::Result;
use enforcer_common::Hook;
use serde::Serialize;

use super::args::OutputArgs;
use super::config_file::ConfigFile;
use super::daemon_client::status_if_running;
use super::exit::Exit;
use super::printer::Printer;
use crate::bpf::{Maps, Pins};
use crate::config::{Mode, Paths};
use crate::core::{Counters, MissingHooks, Status, hook_words};

/// Prints what is in force.
pub(super) fn status(config: &ConfigFile, output: OutputArgs) -> Result<Exit> {
    let paths = config.paths()?;
    let report = match status_if_running(&paths)? {
        Some(status) => StatusReport::of_daemon(status),
        None => pinned_report(&paths)?,
    };
    Printer::stdout(output.json).report(&report)?;
    Ok(if report.enforcing {
        Exit::Done
    } else {
        Exit::No
    })
}

/// What is in force, according to the daemon or the pins.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct StatusReport {
    /// Whether denials are enforced, and all hooks are attached.
    enforcing: bool,
    /// The same in one sentence.
    sentence: String,
    /// The status of the daemon, if one runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    daemon: Option<Box<Status>>,
    /// What is in force, if none runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<Pinned>,
}

/// What is in force without a daemon.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Pinned {
    /// The attached hooks.
    #[serde(serialize_with = "hook_words::serialize")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    hooks: Vec<Hook>,
    /// Whether denials are enforced.
    mode: Mode,
    /// Whether addresses that are not protected pass.
    default_allow: bool,
    /// Number of policies applied.
    generation: u64,
    /// Counters of all verdicts.
    counters: Counters,
}

fn pinned_report(paths: &Paths) -> Result<StatusReport> {
    let pins = Pins::new(&paths.pins);
    if !pins.judge()? {
        return Ok(StatusReport::of_nothing());
    }
    let maps = Maps::open(&pins)?;
    let settings = maps.settings()?;
    let mode = if settings.switches.audits() {
        Mode::Audit
    } else {
        Mode::Enforce
    };
    Ok(StatusReport::of_pinned(Pinned {
        hooks: pins.attached(),
        mode,
        default_allow: settings.switches.default_allows(),
        generation: settings.generation,
        counters: maps.counters()?,
    }))
}

/// Returns whether the policy of a running daemon is in force, and a sentence about it.
pub(super) fn in_force(status: &Status) -> (bool, String) {
    match check_enforcing(status.mode, &status.hooks) {
        Ok(()) if status.ephemeral => (
            true,
            format!("enforcing until the process {} ends", status.pid),
        ),
        Ok(()) => (true, "enforcing".to_owned()),
        Err(why) => (false, why),
    }
}

impl StatusReport {
    fn of_daemon(status: Status) -> Self {
        let (enforcing, sentence) = in_force(&status);
        Self {
            enforcing,
            sentence,
            daemon: Some(Box::new(status)),
            pinned: None,
        }
    }

    fn of_pinned(pinned: Pinned) -> Self {
        let (enforcing, sentence) = match check_enforcing(pinned.mode, &pinned.hooks) {
            Ok(()) => (
                true,
                "enforcing without a daemon: the last policy stays in force, but no new address is added; \
                 start the daemon (systemctl start egress-enforcer)"
                    .to_owned(),
            ),
            Err(why) => (false, format!("{why}; no daemon runs")),
        };
        Self {
            enforcing,
            sentence,
            daemon: None,
            pinned: Some(pinned),
        }
    }

    fn of_nothing() -> Self {
        Self {
            enforcing: false,
            sentence: "not enforcing: no daemon runs and nothing is attached; start it (systemctl start egress-enforcer)".to_owned(),
            daemon: None,
            pinned: None,
        }
    }
}

/// Checks that all hooks are attached and drop what is denied.
///
/// # Errors
/// Why not.
fn check_enforcing(mode: Mode, attached: &[Hook]) -> Result<(), String> {
    if mode == Mode::Audit {
        return Err(
            "not enforcing: audit mode reports what is denied and drops nothing".to_owned(),
        );
    }
    let missing = MissingHooks::new(attached);
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "not enforcing completely: {missing}; restart the daemon"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::test_data;

    fn pinned(mode: Mode, hooks: &[Hook]) -> Pinned {
        Pinned {
            hooks: hooks.to_vec(),
            mode,
            default_allow: true,
            generation: 7,
            counters: Counters::default(),
        }
    }

    #[test]
    fn audit_is_not_enforcement() {
        let mut status = test_data::status();
        assert!(StatusReport::of_daemon(status.clone()).enforcing);
        status.mode = Mode::Audit;
        let report = StatusReport::of_daemon(status);
        assert!(!report.enforcing);
        assert!(report.sentence.contains("audit"), "{}", report.sentence);
        assert!(!StatusReport::of_pinned(pinned(Mode::Audit, &Hook::CGROUP)).enforcing);
    }

    #[test]
    fn a_missing_hook_is_not_enforcement() {
        assert!(StatusReport::of_pinned(pinned(Mode::Enforce, &Hook::CGROUP)).enforcing);
        let report = StatusReport::of_pinned(pinned(Mode::Enforce, &Hook::CGROUP[1..]));
        assert!(!report.enforcing);
        assert!(report.sentence.contains("egress"), "{}", report.sentence);
    }

    #[test]
    fn an_ephemeral_run_says_when_it_ends() {
        let mut status = test_data::status();
        status.ephemeral = true;
        assert_eq!(
            StatusReport::of_daemon(status).sentence,
            "enforcing until the process 4711 ends"
        );
    }
}
