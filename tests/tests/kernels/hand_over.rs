//! What a version takes over from the pins of others.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use enforcer::bpf::{Kernel, Lifetime, Links, Pins};
use enforcer_common::layout::{FLOWS, VERSION, pin_name};
use lab::{
    ScratchDir,
    bpf::{Map, detach, loaded_policy::open},
    topology::{bpffs::Bpffs, cgroup::Cgroup},
};

/// A version whose pins were left behind, and one that judges.
const LEFT: u32 = VERSION + 1;
const JUDGES: u32 = VERSION + 2;

#[test]
fn flow_states_come_from_the_version_that_judges() -> Result<()> {
    let scratch = ScratchDir::new()?;
    let cgroup = Cgroup::new(scratch.name())?;
    let bpffs = Bpffs::mount(scratch.dir("bpf")?)?;
    let base = bpffs.path().join("pins");
    Pins::new(&base).prepare()?;
    fs::remove_dir(of(&base, VERSION))?;
    for number in [LEFT, JUDGES] {
        let made = attached(&bpffs.path().join(number.to_string()), &cgroup)?;
        fs::rename(made, of(&base, number))?;
    }
    for pin in fs::read_dir(of(&base, LEFT))? {
        let pin = pin?;
        if pin.file_name().to_string_lossy().starts_with("link_") {
            detach(&pin.path())?;
        }
    }
    let _lock = Pins::new(&base).prepare()?;
    let _loaded = Kernel::load(&Pins::new(&base))?;
    let flows = |number| Map::pinned(&of(&base, number).join(pin_name(FLOWS)))?.id();
    assert_eq!(flows(VERSION)?, flows(JUDGES)?);
    assert_ne!(flows(VERSION)?, flows(LEFT)?);
    Ok(())
}

/// Loads, attaches and pins the programs below `base`; returns the directory of their version.
fn attached(base: &Path, cgroup: &Cgroup) -> Result<PathBuf> {
    let pins = Pins::new(base);
    let _lock = pins.prepare()?;
    let mut links = Links::new(Lifetime::Pinned);
    Kernel::load(&pins)?.attach(&open(cgroup)?, &mut links)?;
    Ok(of(base, VERSION))
}

fn of(base: &Path, number: u32) -> PathBuf {
    base.join(format!("v{number}"))
}
