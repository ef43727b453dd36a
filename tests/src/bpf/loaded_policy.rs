//! A policy in the kernel without a daemon: separate pins, maps filled by the test, programs attached
//! to a cgroup of the lab.

use std::{path::PathBuf, sync::Arc};

use anyhow::Result;
use enforcer::{
    bpf::{EventReader, Lifetime, Links, TestRun},
    core::Counters,
    policy::{Desired, Held, Inputs, Protected, Tables, compile, compile_tables},
    sys,
};
use enforcer_common::layout::MAPS;

use super::{Map, Program, program_pool::Programs};
use crate::{ScratchDir, topology::cgroup::Cgroup};

/// The loaded programs and their maps. Fields are dropped in order: links first, then what they depend on.
pub struct LoadedPolicy {
    links: Links,
    /// The programs and their maps.
    pub kernel: Programs,
    held: Held,
    tables: Option<Arc<Tables>>,
    generation: u64,
    cgroup: Cgroup,
    scratch: ScratchDir,
}

impl LoadedPolicy {
    /// Loads the programs, or reuses those of a previous test. Nothing is attached, and all maps are empty.
    ///
    /// # Errors
    /// When the kernel refuses, or the build contains no kernel object.
    pub fn new() -> Result<Self> {
        let scratch = ScratchDir::new()?;
        Ok(Self {
            links: Links::new(Lifetime::Held),
            kernel: Programs::take()?,
            held: Held::default(),
            tables: None,
            generation: 0,
            cgroup: Cgroup::new(scratch.name())?,
            scratch,
        })
    }

    /// The scratch directory.
    #[must_use]
    pub fn scratch(&self) -> &ScratchDir {
        &self.scratch
    }

    /// The parent of the cgroups that tests attach to.
    #[must_use]
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Attaches the programs to `cgroup` for the lifetime of this value.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn attach(&mut self, cgroup: &Cgroup) -> Result<()> {
        let scope = open(cgroup)?;
        Ok(self.kernel.attach(&scope, &mut self.links)?)
    }

    /// Compiles and applies a policy atomically.
    ///
    /// # Errors
    /// When it does not fit; the previous policy then stays in force.
    pub fn apply(&mut self, protected: &Protected, inputs: &Inputs) -> Result<()> {
        let desired = compile(inputs, compile_tables(protected)?)?;
        self.apply_compiled(&desired)
    }

    /// Applies a compiled policy.
    ///
    /// # Errors
    /// When the kernel refuses; the previous policy then stays in force.
    pub fn apply_compiled(&mut self, desired: &Desired) -> Result<()> {
        let next = self.generation + 1;
        let is_new = self.tables.as_ref() != Some(&desired.tables);
        self.kernel.maps.apply(&self.held, desired, is_new, next)?;
        self.held = Held::of(desired);
        self.tables = Some(Arc::clone(&desired.tables));
        self.generation = next;
        Ok(())
    }

    /// Opens the program `explain`, which [`Self::attach`] pins.
    ///
    /// # Errors
    /// Before the first [`Self::attach`].
    pub fn question(&self) -> Result<TestRun> {
        Ok(TestRun::open(self.kernel.pins())?)
    }

    /// Opens the reader of the ring buffer. Must be called inside a tokio runtime with I/O.
    ///
    /// # Errors
    /// When it cannot be mapped.
    pub fn events(&self) -> Result<EventReader> {
        Ok(EventReader::open(self.kernel.pins())?)
    }

    /// Returns the path of a map's pin.
    #[must_use]
    pub fn map(&self, name: &str) -> PathBuf {
        self.kernel.pin(name)
    }

    /// Opens the most recently loaded program of this name over the policy's maps.
    ///
    /// # Errors
    /// When there is none.
    pub fn newest(&self, name: &str) -> Result<Program> {
        let ids: Result<Vec<_>> = MAPS
            .iter()
            .map(|map| Map::pinned(&self.map(map))?.id())
            .collect();
        Program::newest(name, &ids?)
    }

    /// Unloads the programs, instead of leaving them to the next test.
    pub fn unload(self) {
        self.kernel.unload();
    }

    /// Reads the counters of the programs.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn counters(&self) -> Result<Counters> {
        Ok(self.kernel.maps.counters()?)
    }
}

/// Opens a cgroup of the lab with its id and level.
///
/// # Errors
/// When it no longer exists.
pub fn open(cgroup: &Cgroup) -> Result<sys::Cgroup> {
    Ok(sys::Cgroup::open(&sys::cgroup_root()?, cgroup.path())?)
}
