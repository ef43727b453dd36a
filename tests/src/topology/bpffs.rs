//! A private mount of a bpf file system, for pins that no other process uses.

use std::{
    io,
    path::{Path, PathBuf},
    ptr,
};

use anyhow::{Context, Result};

use crate::{
    fixtures::process,
    topology::{
        mounts,
        syscall::{c_path, check},
    },
};

/// A mounted bpf file system; dropping it unmounts it and releases what is pinned in it.
#[derive(Debug)]
pub struct Bpffs {
    path: PathBuf,
}

impl Bpffs {
    /// Mounts a bpf file system at `path`, an empty directory.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn mount(path: PathBuf) -> Result<Self> {
        let target = c_path(&path)?;
        let kind = c"bpf".as_ptr();
        // SAFETY: all strings are NUL-terminated and the data argument may be null.
        check(unsafe { libc::mount(kind, target.as_ptr(), kind, 0, ptr::null()) })
            .with_context(|| format!("mount a bpf file system at {}", path.display()))?;
        Ok(Self { path })
    }

    /// The mount point.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        if let Err(error) = unmount(&self.path) {
            process::complain(&format!("unmount {}: {error:#}", self.path.display()));
        }
    }
}

/// Unmounts the bpf file systems below `<parent>/<name>` for every `name` that satisfies `is_stale`.
pub(crate) fn unmount_below(parent: &Path, is_stale: impl Fn(&str) -> bool) -> Result<()> {
    for mount in mounts::all()? {
        let lab = mount
            .point
            .strip_prefix(parent)
            .ok()
            .and_then(|rest| rest.iter().next());
        if mount.fs_type == "bpf" && lab.and_then(|name| name.to_str()).is_some_and(&is_stale) {
            unmount(&mount.point)
                .with_context(|| format!("unmount {} of a dead lab", mount.point.display()))?;
        }
    }
    Ok(())
}

/// Unmounts lazily (`MNT_DETACH`), so that a process that still uses the mount does not keep it on the machine.
fn unmount(path: &Path) -> Result<()> {
    let target = c_path(path)?;
    // SAFETY: the path is NUL-terminated.
    match check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) }) {
        Err(error) if is_gone(&error) => Ok(()),
        other => Ok(other?),
    }
}

/// Whether another starting lab unmounted it at the same time.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
    )
}
