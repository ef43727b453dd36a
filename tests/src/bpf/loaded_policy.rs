//! A policy in the kernel without a daemon: pins of its own, maps as a test wants them, programs on a
//! cgroup of the lab's.

use std::{path::PathBuf, sync::Arc};

use anyhow::Result;
use enforcer::{
    kernel::{self, Counters, EventReader, Lifetime, Links, Question},
    policy::{Desired, Held, Inputs, Protected, Tables, compile, compile_tables},
};

use super::program_pool::Programs;
use crate::{ScratchDir, topology::cgroup::Cgroup};

/// Names another build of the kernel programs, for the tests to load instead of the one in the enforcer's crate.
pub const OBJECT: &str = "EGRESS_LAB_OBJECT";

/// The loaded programs and their maps. Fields are dropped in order: what judges first, then what it
/// stands on.
pub struct LoadedPolicy {
    links: Links,
    /// The programs, and the maps to look at.
    pub kernel: Programs,
    held: Held,
    tables: Option<Arc<Tables>>,
    generation: u64,
    cgroup: Cgroup,
    scratch: ScratchDir,
}

impl LoadedPolicy {
    /// Loads the programs, or takes those that a test before this one loaded. Nothing is attached, and nothing is in the maps.
    ///
    /// # Errors
    /// When the kernel refuses, or the build has no kernel program in it.
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

    /// The lab's directory and name.
    #[must_use]
    pub fn scratch(&self) -> &ScratchDir {
        &self.scratch
    }

    /// A cgroup for the children to attach to.
    #[must_use]
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Attaches the programs to `cgroup`, as long as this value lives.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn attach(&mut self, cgroup: &Cgroup) -> Result<()> {
        let scope = open(cgroup)?;
        Ok(self.kernel.attach(&scope, &mut self.links)?)
    }

    /// Compiles a policy and puts it in force whole.
    ///
    /// # Errors
    /// When it does not fit; then the policy is the old one.
    pub fn apply(&mut self, protected: &Protected, inputs: &Inputs) -> Result<()> {
        let desired = compile(inputs, compile_tables(protected)?)?;
        self.apply_compiled(&desired)
    }

    /// Puts a compiled policy in force.
    ///
    /// # Errors
    /// When the kernel refuses; then the policy is the old one.
    pub fn apply_compiled(&mut self, desired: &Desired) -> Result<()> {
        let next = self.generation + 1;
        let is_new = self.tables.as_ref() != Some(&desired.tables);
        self.kernel.maps.apply(&self.held, desired, is_new, next)?;
        self.held = Held::of(desired);
        self.tables = Some(Arc::clone(&desired.tables));
        self.generation = next;
        Ok(())
    }

    /// The program that answers with a reason; [`Self::attach`] pins it.
    ///
    /// # Errors
    /// When nothing was attached yet.
    pub fn question(&self) -> Result<Question> {
        Ok(Question::open(self.kernel.pins())?)
    }

    /// The reading end of the ring buffer; to be opened inside a runtime with I/O.
    ///
    /// # Errors
    /// When it cannot be mapped.
    pub fn events(&self) -> Result<EventReader> {
        Ok(EventReader::open(self.kernel.pins())?)
    }

    /// Where a map is pinned.
    #[must_use]
    pub fn map(&self, name: &str) -> PathBuf {
        self.kernel.pin(name)
    }

    /// What the programs counted.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn counters(&self) -> Result<Counters> {
        Ok(self.kernel.maps.counters()?)
    }
}

/// A cgroup of the lab's as the kernel interface takes it: with its id and its level.
///
/// # Errors
/// When it is gone.
pub fn open(cgroup: &Cgroup) -> Result<kernel::Cgroup> {
    Ok(kernel::Cgroup::open(
        &kernel::cgroup_root()?,
        cgroup.path(),
    )?)
}
