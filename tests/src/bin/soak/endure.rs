//! The same changes many times in the life of one daemon, which may then use no more than before.

use std::fs;

use anyhow::{Context as _, Result};

use crate::{daemon, devices, finding::Finding, scene::Scene};

/// Rounds before the first look, and between it and the second one.
const FIRST_ROUNDS: usize = 4;
const ROUNDS: usize = 12;
/// How much more there may be at the second look: descriptors, and KiB of memory.
const MORE_DESCRIPTORS: usize = 2;
const MORE_MEMORY: u64 = 1024;

/// Reloads configurations and service tags, and adds and removes devices.
pub(crate) fn endure(scene: &mut Scene) -> Result<String> {
    rounds(scene, FIRST_ROUNDS)?;
    let pid = scene.fixture.enforcer.pid()?;
    let before = (descriptors(pid)?, memory(pid)?);
    rounds(scene, ROUNDS)?;
    let after = (descriptors(pid)?, memory(pid)?);
    if after.0 > before.0 + MORE_DESCRIPTORS || after.1 > before.1 + MORE_MEMORY {
        return Err(Finding::growth(format!(
            "in {ROUNDS} rounds of changes, (descriptors, KiB of memory) {before:?} became {after:?}"
        )));
    }
    Ok(format!("{ROUNDS} rounds, {} to {} KiB", before.1, after.1))
}

fn rounds(scene: &mut Scene, count: usize) -> Result<()> {
    for number in 0..count {
        for _there_and_back in 0..2 {
            daemon::toggle_region(scene)?;
            scene.publish(!scene.protects_internet)?;
        }
        devices::add_and_remove(scene, number)?;
    }
    Ok(())
}

/// Number of open descriptors of a process.
pub(crate) fn descriptors(pid: u32) -> Result<usize> {
    let open = fs::read_dir(format!("/proc/{pid}/fd"));
    Ok(open.context("list the daemon's descriptors")?.count())
}

/// Resident memory of a process in KiB (proc_pid_status(5)).
pub(crate) fn memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .context("no VmRSS")
}
