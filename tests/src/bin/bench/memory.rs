//! Memory of the daemon and its maps.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use enforcer_common::layout::{MAPS, PROTECTED_V4, PROTECTED_V6, pin_name};
use lab::bpf::Map;

/// Memory of a process in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resident {
    /// Resident memory (`VmRSS`).
    pub(crate) all: u64,
    /// The part that it shares with no other process.
    pub(crate) private: u64,
}

impl Resident {
    /// Reads the memory of the process `pid` (proc_pid_status(5), proc_pid_smaps(5)).
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let private = field(&rollup, "Private_Clean:")? + field(&rollup, "Private_Dirty:")?;
        Ok(Self {
            all: field(&status, "VmRSS:")?,
            private,
        })
    }
}

/// Returns the kernel memory of every pinned map in bytes, by name; a map of maps includes its inner map.
///
/// # Errors
/// When a map cannot be opened.
pub(crate) fn of_maps(pins: &Path) -> Result<Vec<(&'static str, u64)>> {
    MAPS.into_iter()
        .map(|name| {
            let map = Map::pinned(&pins.join(pin_name(name)))?;
            let inner = if [PROTECTED_V4, PROTECTED_V6].contains(&name) {
                map.inner()?.memory()?
            } else {
                0
            };
            Ok((name, map.memory()? + inner))
        })
        .collect()
}

fn field(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next());
    value
        .and_then(|value| value.parse().ok())
        .with_context(|| format!("no {name} in /proc"))
}
