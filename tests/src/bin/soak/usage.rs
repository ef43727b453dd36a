//! What the daemon and the kernel use, and whether it grows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    mem::offset_of,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use enforcer::sys::{TcHook, devices, filters};
use enforcer_common::{
    layout::{DEVICE_FLOWS, DEVICE_HELLOS, DEVICE_MAPS, MAPS, VerifiedFlow, pin_name},
    tls::PartialFlow,
};
use lab::bpf::{Map, Program};
use serde::Serialize;

use crate::{
    endure::{descriptors, memory},
    finding::Finding,
    scene::Scene,
};

/// How much more than at first there may be: KiB of memory, descriptors, entries of a map. Of all else, nothing.
const MORE_MEMORY: u64 = 4096;
const MORE_DESCRIPTORS: u64 = 2;
const MORE_ENTRIES: u64 = 4;
/// Longer than reports of denials are kept in the kernel.
const FIRST_REST: Duration = Duration::from_secs(12);
/// Longer than a busy kernel takes to free what is no longer used.
const AT_REST_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(500);

/// What is used at one time, without traffic.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Usage {
    /// KiB of the daemon's resident memory.
    pub(crate) memory: u64,
    /// Open descriptors of the daemon.
    pub(crate) descriptors: u64,
    /// Pins of all versions.
    pub(crate) pins: u64,
    /// Filters at the host's devices.
    pub(crate) filters: u64,
    /// Loaded programs that use any of the pinned maps, by name.
    pub(crate) programs: BTreeMap<String, u64>,
    /// Entries of the maps that the daemon or the programs empty; of connections without a socket, the open ones.
    pub(crate) entries: BTreeMap<String, u64>,
    /// Entries of the maps whose oldest entries the kernel displaces, and of all connections without a socket: bounded by the maps' sizes.
    pub(crate) bounded: BTreeMap<String, u64>,
}

impl Usage {
    /// Reads it.
    pub(crate) fn now(scene: &Scene) -> Result<Self> {
        let pid = scene.fixture.enforcer.pid()?;
        let mut usage = Self {
            memory: memory(pid)?,
            descriptors: descriptors(pid)? as u64,
            filters: all_filters(scene)?,
            ..Self::default()
        };
        for version in fs::read_dir(scene.fixture.pins())? {
            usage.pins += count(&version?.path())?;
        }
        let pins = scene.fixture.pins().join(scene.version().directory());
        let mut ids = BTreeSet::new();
        for name in MAPS.into_iter().chain(DEVICE_MAPS) {
            let map = Map::pinned(&pins.join(pin_name(name)))?;
            ids.insert(map.id()?);
            usage.add(name, &map)?;
        }
        usage.programs = programs_with(&ids)?;
        Ok(usage)
    }

    fn add(&mut self, name: &str, map: &Map) -> Result<()> {
        let Some(entries) = map.entries()? else {
            return Ok(());
        };
        let last_seen = match name {
            DEVICE_FLOWS => Some(offset_of!(VerifiedFlow, last_seen)),
            DEVICE_HELLOS => Some(offset_of!(PartialFlow, last_seen)),
            _ => None,
        };
        if let Some(offset) = last_seen {
            let values = map.values()?;
            let is_open = |value: &&Vec<u8>| value[offset..][..8] != [0; 8];
            let open = values.iter().filter(is_open).count();
            self.entries.insert(name.to_owned(), open as u64);
        }
        let is_bounded = last_seen.is_some() || map.displaces()?;
        let counts = match is_bounded {
            true => &mut self.bounded,
            false => &mut self.entries,
        };
        counts.insert(name.to_owned(), entries);
        Ok(())
    }

    /// Returns what is more than in `base`, in words; empty if nothing is.
    fn growth(&self, base: &Self) -> Vec<String> {
        let mut numbers = vec![
            ("KiB of memory", self.memory, base.memory + MORE_MEMORY),
            (
                "descriptors",
                self.descriptors,
                base.descriptors + MORE_DESCRIPTORS,
            ),
            ("pins", self.pins, base.pins),
            ("filters", self.filters, base.filters),
        ];
        for (name, count) in &self.programs {
            let before = base.programs.get(name).copied().unwrap_or_default();
            numbers.push((name, *count, before));
        }
        for (name, entries) in &self.entries {
            let before = base.entries.get(name).copied().unwrap_or_default();
            numbers.push((name, *entries, before + MORE_ENTRIES));
        }
        let grown = numbers.iter().filter(|(_, now, most)| now > most);
        grown
            .map(|(what, now, most)| format!("{now} {what}, at most {most} expected"))
            .collect()
    }
}

/// Waits until what is used is no more than `base`, or, without one, until it no longer changes.
///
/// # Errors
/// When it stays more.
pub(crate) fn at_rest(scene: &Scene, base: Option<&Usage>) -> Result<Usage> {
    let deadline = Instant::now() + AT_REST_WITHIN;
    let Some(base) = base else {
        thread::sleep(FIRST_REST);
        return Usage::now(scene);
    };
    loop {
        let usage = Usage::now(scene)?;
        let growth = usage.growth(base);
        if growth.is_empty() {
            return Ok(usage);
        }
        if Instant::now() >= deadline {
            return Err(Finding::growth(growth.join("; ")));
        }
        thread::sleep(POLL);
    }
}

/// Number of entries of a directory.
fn count(directory: &Path) -> Result<u64> {
    let entries = fs::read_dir(directory);
    Ok(entries
        .with_context(|| directory.display().to_string())?
        .count() as u64)
}

fn all_filters(scene: &Scene) -> Result<u64> {
    scene.host().run(|| {
        let mut count = 0;
        for device in devices()? {
            for hook in TcHook::ALL {
                count += filters(device.index, hook)?.len() as u64;
            }
        }
        Ok(count)
    })
}

/// Loaded programs that use one of these maps, by name.
fn programs_with(maps: &BTreeSet<u32>) -> Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    for id in Program::ids()? {
        // Others may be unloaded meanwhile.
        let Ok(program) = Program::by_id(id) else {
            continue;
        };
        if program.map_ids()?.iter().any(|id| maps.contains(id)) {
            *found.entry(program.info()?.name).or_default() += 1;
        }
    }
    Ok(found)
}
