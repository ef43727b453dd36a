//! What this machine has of what is needed: the facts behind `doctor`.

mod cgroups;
mod facts;
mod pins;
mod programs;
mod rights;
mod socket_memory;

use std::fs;

use serde::{Deserialize, Serialize};

use self::facts::Facts;
use super::{Kernel, Pins};
use crate::sys::KernelError;

/// Result of one check of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked.
    pub id: String,
    /// Whether it passed.
    pub outcome: CheckOutcome,
    /// What was found.
    pub message: String,
    /// What to do where the outcome is not [`CheckOutcome::Ok`]; else empty.
    pub fix: String,
}

/// Whether a check passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// It passed.
    Ok,
    /// It failed.
    Failed,
    /// The check could not be made.
    Unknown,
}

impl Check {
    /// A check that passed or failed; a passed one drops `fix`.
    pub fn new(id: &str, passed: bool, message: impl Into<String>, fix: &str) -> Self {
        let (outcome, fix) = match passed {
            true => (CheckOutcome::Ok, ""),
            false => (CheckOutcome::Failed, fix),
        };
        Self {
            id: id.to_owned(),
            outcome,
            message: message.into(),
            fix: fix.to_owned(),
        }
    }

    /// A check that could not be made; `fix` says how it can.
    pub fn unknown(id: &str, message: impl Into<String>, fix: &str) -> Self {
        Self {
            outcome: CheckOutcome::Unknown,
            ..Self::new(id, false, message, fix)
        }
    }

    /// Whether it passed.
    pub fn is_ok(&self) -> bool {
        self.outcome == CheckOutcome::Ok
    }

    /// Whether it failed; an unknown outcome is no failure.
    pub fn is_failed(&self) -> bool {
        self.outcome == CheckOutcome::Failed
    }
}

/// Looks at the kernel, the file systems and this process, and has the kernel take the programs for a moment. Nothing stays, and nothing
/// is attached.
pub fn probe(pins: &Pins) -> Vec<Check> {
    let facts = Facts::gather();
    let mut checks = judge(&facts, pins);
    checks.push(programs::rehearsal(&facts, &Kernel::rehearse()));
    checks
}

/// What follows from the facts. Looks at nothing else but the pins.
fn judge(facts: &Facts, pins: &Pins) -> Vec<Check> {
    let mut checks = vec![
        programs::object(facts),
        programs::version(facts),
        programs::jit(facts),
        programs::types(facts),
        programs::lockdown(facts),
        programs::unprivileged(facts),
        programs::locked_memory(facts),
        socket_memory::check(facts),
        cgroups::tree(facts),
        cgroups::classifiers(facts),
        cgroups::namespaces(facts),
        pins::file_system(facts, pins.base()),
        pins::owner(pins),
    ];
    checks.extend(rights::capabilities(facts));
    checks
}

/// The release of the running kernel.
pub(super) fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    release.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// Why a rehearsal did not come off, in words.
fn reason(outcome: &Result<(), KernelError>) -> String {
    match outcome {
        Ok(()) => "the kernel takes them".to_owned(),
        Err(error) => error.to_string(),
    }
}
