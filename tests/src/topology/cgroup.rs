//! Child cgroups (v2) of the lab's own. The machine's root cgroup is never touched.

use std::{
    ffi::{CStr, CString},
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    fixtures::{process, process_env::c_path},
    topology::mounts,
};

/// How long killed processes may take to leave a cgroup.
const EMPTY_WITHIN: Duration = Duration::from_secs(5);

/// A cgroup; its processes are killed and it is removed when dropped, its children first.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    procs: CString,
}

impl Cgroup {
    /// Makes a cgroup named `name` below the machine's cgroup v2 root.
    ///
    /// # Errors
    /// When there is no cgroup v2 file system or it may not be written.
    pub fn new(name: &str) -> Result<Self> {
        let Some(root) = mount_point()? else {
            bail!("no cgroup v2 file system: mount -t cgroup2 none /sys/fs/cgroup/unified");
        };
        Self::make(root.join(name))
    }

    /// Makes a cgroup below this one.
    ///
    /// # Errors
    /// When it exists already.
    pub fn child(&self, name: &str) -> Result<Self> {
        Self::make(self.path.join(name))
    }

    fn make(path: PathBuf) -> Result<Self> {
        let procs = c_path(&path.join("cgroup.procs"))?;
        fs::create_dir(&path).with_context(|| format!("make the cgroup {}", path.display()))?;
        Ok(Self { path, procs })
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its `cgroup.procs` file.
    pub(crate) fn procs(&self) -> &CStr {
        &self.procs
    }

    /// The ids of the processes in it, those in its children not counted.
    ///
    /// # Errors
    /// When it is gone.
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

/// Where cgroup v2 is mounted: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` on hybrid machines.
pub(crate) fn mount_point() -> Result<Option<PathBuf>> {
    let mounts = mounts::all()?;
    Ok(mounts
        .into_iter()
        .find(|mount| mount.fs_type == "cgroup2")
        .map(|mount| mount.point))
}

/// Removes the root's children whose names satisfy `condemned`, with the processes in them.
pub(crate) fn remove_children(condemned: impl Fn(&str) -> bool) -> Result<()> {
    let Some(root) = mount_point()? else {
        return Ok(());
    };
    for entry in fs::read_dir(&root).with_context(|| format!("list {}", root.display()))? {
        let entry = entry.with_context(|| format!("list {}", root.display()))?;
        if entry.file_name().to_str().is_some_and(&condemned) {
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

/// A cgroup that is gone has nobody to kill.
fn kill_all(path: &Path) {
    for pid in pids(path).unwrap_or_default() {
        // SAFETY: kill(2) takes two integers; 0 and negative ids, which mean groups, are kept out.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

/// The kernel lists a process outside of our pid namespace as 0.
fn pids(path: &Path) -> io::Result<Vec<libc::pid_t>> {
    let procs = fs::read_to_string(path.join("cgroup.procs"))?;
    Ok(procs
        .lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid > 0)
        .collect())
}
