//! What a kernel may lack, so that a technique does not run there.

use std::{env, fs};

use anyhow::{Context as _, Result, ensure};

use crate::fixture::Fixture;

/// The variable that is set in the virtual machines of `./x vm`, to the extent of the run.
const GUEST: &str = "EGRESS_LAB_GUEST";

/// Returns each fifth technique of many similar ones in the virtual machines of `./x test`, which run beside the same tests on this machine; elsewhere all.
pub(crate) fn some_if_brief<T>(techniques: Vec<T>) -> Vec<T> {
    let step = if is_brief() { 5 } else { 1 };
    techniques.into_iter().step_by(step).collect()
}

/// Whether the test runs in a virtual machine of `./x vm`, whose devices are the tests' own.
pub(crate) fn is_guest() -> bool {
    env::var_os(GUEST).is_some()
}

/// Whether this is a virtual machine of `./x test`.
pub(crate) fn is_brief() -> bool {
    env::var(GUEST).is_ok_and(|extent| extent == "brief")
}

/// Whether the host can have what `lines` for ip(8) create and remove. In a virtual machine, it has to be so unless its release starts with one of
/// `absent_on`, and must not be so there.
pub(crate) fn is_there(
    fixture: &Fixture,
    what: &str,
    lines: &str,
    absent_on: &[&str],
) -> Result<bool> {
    let tried = fixture.network.device().ip(lines);
    report(what, tried.is_ok(), absent_on).with_context(|| format!("{tried:?}"))
}

/// Prints a line where `is_there` is false, and compares it with what the kernels of the virtual machines have.
pub(crate) fn report(what: &str, is_there: bool, absent_on: &[&str]) -> Result<bool> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let is_listed = absent_on.iter().any(|start| release.starts_with(start));
    let is_expected = !is_guest() || is_there != is_listed;
    ensure!(is_expected, "{what} on {release}: {is_there}");
    if !is_there {
        note(&format!("NOT RUN: {what}: this kernel lacks it"));
    }
    Ok(is_there)
}

/// Prints a line, which the test runner keeps with the test.
#[expect(clippy::print_stderr, reason = "it is for whoever runs the test")]
pub(crate) fn note(line: &str) {
    eprintln!("{line}");
}
