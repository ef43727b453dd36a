//! The enforcer's own cgroup.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::sys::own_cgroup;

/// Returns the path of this process's cgroup below the cgroup v2 mount at `root`.
///
/// # Errors
/// If it is the root cgroup, is not owned by root, or has other processes or child cgroups.
pub(super) fn exclusive_cgroup(root: &Path) -> Result<PathBuf> {
    let path = own_cgroup().context("its cgroup is not known")?;
    let inside = path.strip_prefix("/").unwrap_or(&path);
    if inside.as_os_str().is_empty() || inside.starts_with("..") {
        bail!("it runs in the root cgroup");
    }
    let directory = root.join(inside);
    let read = |file: &str| {
        let file = directory.join(file);
        fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))
    };
    let owner = fs::metadata(&directory).map(|found| found.uid());
    ensure!(
        owner.is_ok_and(|owner| owner == 0),
        "its cgroup, {}, is not root's",
        path.display()
    );
    let below = read("cgroup.stat")?;
    let has_none = below.lines().any(|line| line == "nr_descendants 0");
    ensure!(
        has_none,
        "there are cgroups below its own, {}",
        path.display()
    );
    let own = std::process::id().to_string();
    match read("cgroup.procs")?
        .lines()
        .find(|process| *process != own)
    {
        None => Ok(path),
        Some(other) => bail!("process {other} is in its cgroup, {}", path.display()),
    }
}
