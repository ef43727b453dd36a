//! Programs attached to cgroups without a link (`BPF_PROG_ATTACH`), as by agents written before Linux 5.7.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::Path,
};

use anyhow::{Context as _, Result};

use super::{AttachPoint, Program, call, raw};

const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
/// `BPF_F_ALLOW_OVERRIDE`.
const ALLOW_OVERRIDE: u32 = 1;

/// An attachment without `BPF_F_ALLOW_MULTI`; detached when dropped.
#[derive(Debug)]
pub struct Exclusive {
    attributes: [u32; 4],
    _cgroup: OwnedFd,
    /// The attached program.
    pub program: Program,
}

impl Exclusive {
    /// Attaches `program` to `cgroup` exclusively: the kernel then allows no other program on it or below it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn attach(program: Program, attach_point: AttachPoint, cgroup: &Path) -> Result<Self> {
        Self::attach_with(program, attach_point, cgroup, 0)
    }

    /// As [`Exclusive::attach`], with `BPF_F_ALLOW_OVERRIDE`: programs of child cgroups replace it there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn attach_overridable(
        program: Program,
        attach_point: AttachPoint,
        cgroup: &Path,
    ) -> Result<Self> {
        Self::attach_with(program, attach_point, cgroup, ALLOW_OVERRIDE)
    }

    fn attach_with(
        program: Program,
        attach_point: AttachPoint,
        path: &Path,
        flags: u32,
    ) -> Result<Self> {
        let cgroup = File::open(path).with_context(|| format!("open {}", path.display()))?;
        let target = u32::try_from(cgroup.as_raw_fd())?;
        let mut attributes = [target, raw(&program.0)?, attach_point.numbers().1, flags];
        call(PROG_ATTACH, &mut attributes)
            .with_context(|| format!("attach a program to {}", path.display()))?;
        Ok(Self {
            attributes,
            _cgroup: cgroup.into(),
            program,
        })
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        let [target, program, attach_point, _flags] = self.attributes;
        let detached: io::Result<_> = call(PROG_DETACH, &mut [target, program, attach_point, 0]);
        if let Err(error) = detached {
            crate::fixtures::process::complain(&format!("detach a program: {error}"));
        }
    }
}
