//! Whether the kernel, its file systems and this process have what the enforcer needs.

mod capabilities;
mod cgroups;
mod facts;
mod pins;
mod programs;
mod socket_memory;

use self::facts::Facts;
use crate::bpf::{Kernel, Pins};
use crate::doctor::check::Check;

/// Checks the kernel, the file systems and this process, and loads the programs without attaching or keeping them.
pub(super) fn check(pins: &Pins) -> Vec<Check> {
    let facts = Facts::gather();
    let mut checks = check_facts(&facts, pins);
    checks.push(programs::load(&facts, &Kernel::rehearse()));
    checks
}

/// Returns the checks of the facts and the pins.
fn check_facts(facts: &Facts, pins: &Pins) -> Vec<Check> {
    let mut checks = vec![
        programs::embedded(facts),
        programs::version(facts),
        programs::jit(facts),
        programs::btf(facts),
        programs::lockdown(facts),
        programs::unprivileged(facts),
        programs::locked_memory(facts),
        socket_memory::check(facts),
        cgroups::tree(facts),
        cgroups::socket_classes(facts),
        cgroups::pid_namespace(facts),
        pins::file_system(facts, pins.base()),
        pins::pinned(pins),
    ];
    checks.extend(capabilities::check(facts));
    checks
}
