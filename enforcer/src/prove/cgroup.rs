//! The cgroup that the attempts are made from.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::core::PROOF;
use crate::sys::own_cgroup;

/// The unit that runs `prove`, and that systemd lets divide its own cgroup.
const UNIT: &str = "egress-enforcer-prove.service";

/// A cgroup with this process in it, until it is dropped.
#[derive(Debug)]
pub(super) struct ProofCgroup {
    path: PathBuf,
    /// The cgroup that this process was in.
    before: PathBuf,
    _lock: Flock<File>,
}

impl ProofCgroup {
    /// Creates a cgroup below `scope` and moves this process there: below its own cgroup if that is its unit's, else directly below `scope`, so that no
    /// exception for another unit applies.
    ///
    /// # Errors
    /// If it cannot be created, or is in use.
    pub(super) fn enter(scope: &Path) -> Result<Self> {
        let root = crate::sys::cgroup_root()?;
        let own = own_cgroup().context("the cgroup of this process is not known")?;
        let before = root.join(own.strip_prefix("/").unwrap_or(&own));
        let is_of_unit = before.starts_with(scope) && before.ends_with(UNIT);
        let above = if is_of_unit { &before } else { scope };
        let path = above.join(PROOF);
        match fs::create_dir(&path) {
            // One that was killed left it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => created
                .with_context(|| format!("cannot create {}: run it as root", path.display()))?,
        }
        let lock = File::open(&path)
            .ok()
            .and_then(|directory| Flock::lock(directory, FlockArg::LockExclusiveNonblock).ok());
        let Some(lock) = lock else {
            bail!(
                "{} is in use: another `prove` runs, wait for its end",
                path.display()
            );
        };
        let place = Self {
            path,
            before,
            _lock: lock,
        };
        move_to(&place.path)?;
        Ok(place)
    }
}

impl Drop for ProofCgroup {
    fn drop(&mut self) {
        let left = move_to(&self.before);
        let removed = fs::remove_dir(&self.path).map_err(anyhow::Error::from);
        if let Err(error) = left.and(removed) {
            tracing::warn!("{} is left: {error:#}", self.path.display());
        }
    }
}

fn move_to(cgroup: &Path) -> Result<()> {
    // 0 is the writing process (cgroups(7)).
    fs::write(cgroup.join("cgroup.procs"), "0")
        .with_context(|| format!("cannot enter {}", cgroup.display()))
}
