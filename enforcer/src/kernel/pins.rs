//! Where maps, links and programs outlive the daemon.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use enforcer_common::Hook;
use enforcer_common::layout::{EXPLAIN, MAPS, ORIGIN, VERSION};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::KernelError;

/// The mount point that the system's own tools use.
pub(super) const BPFFS: &str = "/sys/fs/bpf";

/// The pins of one instance: `<base>/v<layout version>/<map, link or program>`.
#[derive(Clone, Debug)]
pub struct Pins {
    base: PathBuf,
    root: PathBuf,
}

/// Held while one process owns the pins.
#[derive(Debug)]
pub struct PinLock {
    _directory: Flock<File>,
}

impl Pins {
    /// The pins below `base` (the configuration's `paths.pins`).
    pub fn new(base: &Path) -> Self {
        Self {
            base: base.to_owned(),
            root: base.join(format!("v{VERSION}")),
        }
    }

    /// The directory of the configuration.
    pub fn base(&self) -> &Path {
        &self.base
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn link(&self, name: &str) -> PathBuf {
        self.root.join(format!("link_{name}"))
    }

    /// Where a new link waits to take its place.
    pub(super) fn waiting_link(&self, name: &str) -> PathBuf {
        self.root.join(format!("link_{name}_new"))
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.root.join(format!("program_{name}"))
    }

    /// The pins of the links, one per hook that judges and one for the origin of sockets.
    fn links(&self) -> impl Iterator<Item = PathBuf> {
        let judges = Hook::ALL.into_iter().map(Hook::word);
        judges.chain([ORIGIN]).map(|name| self.link(name))
    }

    /// The hooks whose links are pinned: they enforce with or without a daemon.
    pub fn attached(&self) -> Vec<Hook> {
        let pinned = |hook: &Hook| self.link(hook.word()).exists();
        Hook::ALL.into_iter().filter(pinned).collect()
    }

    /// Whether a policy is loaded.
    pub fn are_loaded(&self) -> bool {
        MAPS.iter().all(|name| self.map(name).exists())
    }

    /// Removes the pin of one map; programs that use the map keep it.
    pub(super) fn forget_map(&self, name: &str) -> Result<(), KernelError> {
        let place = self.map(name);
        if !place.exists() {
            return Ok(());
        }
        fs::remove_file(place).map_err(KernelError::failed(format!("unpin the map {name}")))
    }

    /// Whether anything is pinned. Changes nothing.
    ///
    /// # Errors
    /// [`KernelError::PinVersion`], [`KernelError::ForeignPins`], and where this process may not look.
    pub fn exist(&self) -> Result<bool, KernelError> {
        match fs::metadata(&self.base) {
            Ok(_) => {
                check_own(&self.base)?;
                self.check_version().map(|()| true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => {
                let what = format!("look at the pins in {}", self.base.display());
                Err(KernelError::failed(what)(error))
            }
        }
    }

    /// Makes the directory, takes the lock, and checks that nothing of another version is there.
    ///
    /// # Errors
    /// [`KernelError::NotBpffs`], [`KernelError::Locked`], [`KernelError::PinVersion`].
    pub fn prepare(&self) -> Result<PinLock, KernelError> {
        self.make()?;
        let lock = self.lock()?;
        self.check_version()?;
        Ok(lock)
    }

    fn make(&self) -> Result<(), KernelError> {
        if self.base.starts_with(BPFFS) && !is_bpffs(Path::new(BPFFS)) {
            mount_bpffs(Path::new(BPFFS))?;
        }
        let parent = self.base.ancestors().find(|path| path.exists());
        if !parent.is_some_and(is_bpffs) {
            return Err(KernelError::NotBpffs {
                path: self.base.clone(),
            });
        }
        for directory in [&self.base, &self.root] {
            make_own(directory)?;
        }
        Ok(())
    }

    fn lock(&self) -> Result<PinLock, KernelError> {
        let what = || format!("lock {}", self.base.display());
        let directory = File::open(&self.base).map_err(KernelError::failed(what()))?;
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(directory) => Ok(PinLock {
                _directory: directory,
            }),
            Err((_, nix::Error::EWOULDBLOCK)) => Err(KernelError::Locked {
                path: self.base.clone(),
            }),
            Err((_, error)) => Err(KernelError::failed(what())(error)),
        }
    }

    fn check_version(&self) -> Result<(), KernelError> {
        let what = || format!("read {}", self.base.display());
        for entry in fs::read_dir(&self.base).map_err(KernelError::failed(what()))? {
            let entry = entry.map_err(KernelError::failed(what()))?;
            if entry.path() != self.root {
                return Err(KernelError::PinVersion {
                    path: self.base.clone(),
                    detail: format!("found {}", entry.file_name().display()),
                });
            }
        }
        Ok(())
    }

    /// Ends enforcement: removes the links, those too that a killed daemon left waiting, then everything else. Every removal is tried; the first error is returned.
    ///
    /// # Errors
    /// Where something could not be removed.
    pub fn remove(&self) -> Result<(), KernelError> {
        let programs = [EXPLAIN].map(|name| self.program(name));
        let maps = MAPS.map(|name| self.map(name));
        let judges = Hook::ALL.into_iter().map(Hook::word);
        let waiting = judges.chain([ORIGIN]).map(|name| self.waiting_link(name));
        let files = self
            .links()
            .chain(waiting)
            .chain(programs)
            .chain(maps)
            .filter(|path| path.exists());
        let mut outcome = Ok(());
        for path in files {
            outcome = outcome.and(fs::remove_file(&path));
        }
        for directory in [&self.root, &self.base] {
            if directory.exists() {
                outcome = outcome.and(fs::remove_dir(directory));
            }
        }
        outcome.map_err(KernelError::failed(format!(
            "remove {}",
            self.root.display()
        )))
    }
}

/// Makes a directory that nobody but root may list, change or lock; one that is there must be so already.
fn make_own(directory: &Path) -> Result<(), KernelError> {
    let what = || format!("make {}", directory.display());
    let made = DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(directory);
    made.map_err(KernelError::failed(what()))?;
    check_own(directory)
}

fn check_own(directory: &Path) -> Result<(), KernelError> {
    let what = || format!("look at {}", directory.display());
    let found = fs::symlink_metadata(directory).map_err(KernelError::failed(what()))?;
    if !found.is_dir() || found.uid() != 0 || found.mode() & 0o077 != 0 {
        return Err(KernelError::ForeignPins {
            path: directory.to_owned(),
        });
    }
    Ok(())
}

/// Mounts a BPF file system at `path`.
///
/// # Errors
/// Where the kernel refuses.
pub fn mount_bpffs(path: &Path) -> Result<(), KernelError> {
    let what = format!("mount a BPF file system at {}", path.display());
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), path, Some("bpf"), flags, Some("mode=700"))
        .map_err(KernelError::failed(what))
}

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == BPF_FS_MAGIC)
}
