//! Child cgroups (v2) for the lab. The machine's root cgroup is never modified.

use std::{
    ffi::{CStr, CString},
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    fixtures::process,
    topology::{mounts, syscall::c_path},
};

/// Time limit for killed processes to leave a cgroup.
const EMPTY_WITHIN: Duration = Duration::from_secs(20);

/// A cgroup. Dropping it kills its processes and removes it, children first.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    procs: CString,
}

impl Cgroup {
    /// Creates a cgroup named `name` below the machine's cgroup v2 root.
    ///
    /// # Errors
    /// When there is no cgroup v2 file system or it is not writable.
    pub fn new(name: &str) -> Result<Self> {
        let Some(root) = mount_point()? else {
            bail!("no cgroup v2 file system: mount -t cgroup2 none /sys/fs/cgroup/unified");
        };
        Self::make(root.join(name))
    }

    /// Creates a cgroup below this one.
    ///
    /// # Errors
    /// When it already exists.
    pub fn child(&self, name: &str) -> Result<Self> {
        Self::make(self.path.join(name))
    }

    fn make(path: PathBuf) -> Result<Self> {
        let procs = c_path(&path.join("cgroup.procs"))?;
        fs::create_dir(&path).with_context(|| format!("create the cgroup {}", path.display()))?;
        Ok(Self { path, procs })
    }

    /// Returns its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of its `cgroup.procs` file.
    pub(crate) fn procs(&self) -> &CStr {
        &self.procs
    }

    /// Returns the ids of its processes, without those in child cgroups.
    ///
    /// # Errors
    /// When it no longer exists.
    pub fn pids(&self) -> Result<Vec<libc::pid_t>> {
        pids(&self.path).with_context(|| format!("list {}", self.path.display()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            process::complain(&format!(
                "remove the cgroup {}: {error}",
                self.path.display()
            ));
        }
    }
}

/// Returns the mount point of cgroup v2: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` in hybrid mode.
pub(crate) fn mount_point() -> Result<Option<PathBuf>> {
    let mounts = mounts::all()?;
    Ok(mounts
        .into_iter()
        .find(|mount| mount.fs_type == "cgroup2")
        .map(|mount| mount.point))
}

/// Kills the processes of the root's children whose names satisfy `is_stale`, and removes these cgroups.
pub(crate) fn remove_children(is_stale: impl Fn(&str) -> bool) -> Result<()> {
    let Some(root) = mount_point()? else {
        return Ok(());
    };
    for entry in fs::read_dir(&root).with_context(|| format!("list {}", root.display()))? {
        let entry = entry.with_context(|| format!("list {}", root.display()))?;
        if entry.file_name().to_str().is_some_and(&is_stale) {
            remove(&entry.path()).with_context(|| format!("remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    let children = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for child in children {
        let child = child?;
        if child.file_type()?.is_dir() {
            remove(&child.path())?;
        }
    }
    let deadline = Instant::now() + EMPTY_WITHIN;
    loop {
        kill_all(path);
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_busy) => thread::sleep(process::POLL),
            Ok(()) => return Ok(()),
        }
    }
}

/// Kills all processes of a cgroup; does nothing when it no longer exists.
fn kill_all(path: &Path) {
    for pid in pids(path).unwrap_or_default() {
        // SAFETY: kill(2) takes two integers; `pids` excludes 0 and negative ids, which mean groups.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

/// Returns process ids; the kernel lists a process outside our pid namespace as 0.
fn pids(path: &Path) -> io::Result<Vec<libc::pid_t>> {
    let procs = fs::read_to_string(path.join("cgroup.procs"))?;
    Ok(procs
        .lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid > 0)
        .collect())
}
