//! A lab's temporary directory, and the name that all of its traces on the machine share.

use std::{
    env, fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};

use crate::{bpffs, cgroup};

/// Every trace of a lab on the machine is named `egress-lab-<pid>-<number>`.
const PREFIX: &str = "egress-lab-";

/// A directory of its own below the system's temporary directory; removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    name: String,
    path: PathBuf,
}

impl Scratch {
    /// Makes the directory, after clearing what labs of dead processes left on the machine.
    ///
    /// # Errors
    /// When the directory cannot be made or a dead lab's traces cannot be removed.
    pub fn new() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        clear_dead_labs()?;
        let name = format!(
            "{PREFIX}{}-{}",
            process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let path = env::temp_dir().join(&name);
        fs::DirBuilder::new()
            .mode(0o755)
            .create(&path)
            .with_context(|| format!("make the lab's directory {}", path.display()))?;
        Ok(Self { name, path })
    }

    /// The lab's name, unique among the machine's running labs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory below this one and returns its path.
    ///
    /// # Errors
    /// When it cannot be made, because it exists for example.
    pub fn dir(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(path)
    }

    /// Writes a file below the directory and returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path.join(name);
        fs::write(&path, contents).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            crate::process::complain(&format!("remove {}: {error}", self.path.display()));
        }
    }
}

fn clear_dead_labs() -> Result<()> {
    bpffs::unmount_below(&env::temp_dir(), is_of_dead_lab)?;
    cgroup::remove_children(is_of_dead_lab)?;
    for entry in fs::read_dir(env::temp_dir()).context("list the temporary directory")? {
        let entry = entry.context("list the temporary directory")?;
        if entry.file_name().to_str().is_some_and(is_of_dead_lab) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Another starting lab may clear the same directory at the same time.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {} of a dead lab", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether `name` is that of a lab whose process has ended.
fn is_of_dead_lab(name: &str) -> bool {
    let Some((pid, _number)) = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('-'))
    else {
        return false;
    };
    let is_pid = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    is_pid && !Path::new("/proc").join(pid).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_labs_of_ended_processes_count_as_dead() {
        assert!(is_of_dead_lab("egress-lab-4294967295-0"));
        assert!(!is_of_dead_lab(&format!("egress-lab-{}-0", process::id())));
        assert!(!is_of_dead_lab("egress-lab--0"));
        assert!(!is_of_dead_lab("egress-lab-.."));
        assert!(!is_of_dead_lab("somebody-elses-4294967295-0"));
    }
}
