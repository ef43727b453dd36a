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
pub use self::socket_memory::optmem_shortage;
use super::{Kernel, KernelError, Pins};

/// One precondition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// Whether it will do.
    pub fit: bool,
    /// What was found.
    pub found: String,
    /// What to do where it is unfit; else empty.
    pub mend: String,
}

impl Finding {
    /// A precondition that is met, or not, with what was found and the mend.
    pub fn new(what: &str, fit: bool, found: impl Into<String>, mend: &str) -> Self {
        Self {
            what: what.to_owned(),
            fit,
            found: found.into(),
            mend: if fit { String::new() } else { mend.to_owned() },
        }
    }
}

/// Looks at the kernel, the file systems and this process, and has the kernel take the programs for a moment. Nothing stays, and nothing
/// is attached.
pub fn probe(pins: &Pins) -> Vec<Finding> {
    let facts = Facts::gather();
    let mut findings = judge(&facts, pins);
    findings.push(programs::rehearsal(&facts, &Kernel::rehearse()));
    findings
}

/// What follows from the facts. Looks at nothing else but the pins.
fn judge(facts: &Facts, pins: &Pins) -> Vec<Finding> {
    let mut findings = vec![
        programs::object(facts),
        programs::version(facts),
        programs::jit(facts),
        programs::types(facts),
        programs::lockdown(facts),
        programs::unprivileged(facts),
        programs::locked_memory(facts),
        socket_memory::finding(facts),
        cgroups::tree(facts),
        cgroups::classifiers(facts),
        cgroups::namespaces(facts),
        pins::file_system(facts, pins.base()),
        pins::owner(pins),
    ];
    findings.extend(rights::capabilities(facts));
    findings
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
