//! Whether the attached programs are those of this binary, by the kernel's digest of their instructions.

use std::collections::BTreeMap;

use aya::programs::loaded_programs;

use super::Pins;
use super::attach::attached_programs;
use super::link::Attachment;
use super::object::rehearsed;
use crate::sys::KernelError;

/// A program that an instance attaches, compared with the one in this binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ComparedProgram {
    /// Its name, that of the hook for those that judge.
    pub(crate) name: &'static str,
    /// The kernel's tag of the program in this binary: the begin of a digest of its instructions without addresses of maps.
    pub(crate) own: u64,
    /// Id of the cgroup, and tag of the attached program; `None` if none is attached by a pinned link.
    pub(crate) attached: Option<(u64, u64)>,
}

impl Pins {
    /// Loads this binary's programs without attaching or keeping them, and compares them with the attached ones.
    ///
    /// # Errors
    /// As `Kernel::rehearse`.
    pub(crate) fn compare_programs(&self) -> Result<Vec<ComparedProgram>, KernelError> {
        let own = own_tags()?;
        let loaded = loaded_tags();
        let compare = |(name, own)| {
            let attachment = Attachment::pinned(&self.link(name)).ok();
            let attachment = attachment.filter(|found| found.cgroup != 0);
            ComparedProgram {
                name,
                own,
                attached: attachment
                    .and_then(|found| Some((found.cgroup, *loaded.get(&found.program)?))),
            }
        };
        Ok(own.into_iter().map(compare).collect())
    }
}

/// Returns the tag of each program of this binary that is attached, by its name.
fn own_tags() -> Result<Vec<(&'static str, u64)>, KernelError> {
    let programs = rehearsed()?;
    let tag = |name: &'static str| {
        let program = programs.program(name).ok_or(KernelError::NoProgram)?;
        let info = program.info();
        let info = info.map_err(KernelError::failed(format!("inspect the program {name}")))?;
        Ok((name, info.tag()))
    };
    attached_programs().map(tag).collect()
}

/// Returns the tag of every loaded program by its id.
fn loaded_tags() -> BTreeMap<u32, u64> {
    // Programs of others end while they are listed.
    let found = loaded_programs().filter_map(Result::ok);
    found.map(|info| (info.id(), info.tag())).collect()
}
