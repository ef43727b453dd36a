//! The pin directory, in which maps, links and programs outlive the daemon.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use enforcer_common::Hook;
use enforcer_common::layout::{AddressKey, MAPS, VERSION, pin_name};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::device::OwnFilters;
use super::handover::{LINK_PREFIX, Version, is_roots_alone, root_of, versions};
use super::link::is_attached;
use crate::sys::KernelError;

/// The usual mount point.
pub(crate) const BPFFS: &str = "/sys/fs/bpf";

/// The pins of one instance: `<base>/v<layout version>/<map, link or program>`.
#[derive(Clone, Debug)]
pub struct Pins {
    base: PathBuf,
    root: PathBuf,
}

/// Lock of the process that owns the pins.
#[derive(Debug)]
pub struct PinLock {
    directory: Flock<File>,
}

impl Pins {
    /// The pins below `base` (the configuration's `paths.pins`).
    pub fn new(base: &Path) -> Self {
        Self {
            base: base.to_owned(),
            root: root_of(base, VERSION),
        }
    }

    /// The directory of the configuration.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The directory of this version's pins.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.root.join(pin_name(name))
    }

    pub(super) fn link(&self, name: &str) -> PathBuf {
        self.root.join(format!("{LINK_PREFIX}{name}"))
    }

    /// Temporary pin of a new link.
    pub(super) fn waiting_link(&self, name: &str) -> PathBuf {
        self.root.join(format!("{LINK_PREFIX}{name}_new"))
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.root.join(format!("program_{name}"))
    }

    /// The hooks whose links are pinned and attached, with or without a daemon.
    pub fn attached(&self) -> Vec<Hook> {
        let attached = |hook: &Hook| is_attached(&self.link(hook.word()));
        Hook::CGROUP.into_iter().filter(attached).collect()
    }

    /// Whether links of this version are pinned, attached or not: the contents of its maps were in force.
    pub fn have_links(&self) -> bool {
        let pinned = |hook: Hook| self.link(hook.word()).exists();
        Hook::CGROUP.into_iter().any(pinned)
    }

    /// Whether a policy is loaded.
    pub fn are_loaded(&self) -> bool {
        MAPS.iter().all(|name| self.map(name).exists())
    }

    /// Removes the pin of a map; programs keep using the map.
    pub(super) fn forget_map(&self, name: &str) -> Result<(), KernelError> {
        let place = self.map(name);
        if !place.exists() {
            return Ok(());
        }
        fs::remove_file(place).map_err(KernelError::failed(format!("unpin the map {name}")))
    }

    /// Whether anything is pinned, by any version.
    ///
    /// # Errors
    /// [`KernelError::UnknownPins`], [`KernelError::ForeignPins`], and if the directory cannot be read.
    pub fn exist(&self) -> Result<bool, KernelError> {
        match fs::metadata(&self.base) {
            Ok(_) => {
                check_own(&self.base)?;
                versions(&self.base).map(|_| true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => {
                let what = format!("inspect the pins in {}", self.base.display());
                Err(KernelError::failed(what)(error))
            }
        }
    }

    /// Whether links of this version are attached.
    ///
    /// # Errors
    /// [`KernelError::OtherVersion`] if another version's links are attached, and this version's are missing at a hook; else as [`Pins::exist`].
    pub fn judge(&self) -> Result<bool, KernelError> {
        let links = self.exist()?.then(|| self.attached());
        let attached = links.map_or(0, |links| links.len());
        if attached < Hook::CGROUP.len()
            && let Some(version) = self.others()?.iter().find(|other| other.judges())
        {
            return Err(KernelError::OtherVersion {
                path: self.base.clone(),
                version: version.number,
            });
        }
        Ok(attached > 0)
    }

    /// Whether links of any version are attached.
    ///
    /// # Errors
    /// As [`Pins::exist`].
    pub fn any_judge(&self) -> Result<bool, KernelError> {
        Ok(versions(&self.base)?.iter().any(Version::judges))
    }

    /// Addresses that other versions allow for names, as far as their layouts are known.
    ///
    /// # Errors
    /// If a map of a known layout cannot be read.
    pub fn allowed_by_others(&self) -> Result<Vec<AddressKey>, KernelError> {
        let allowed = self.others()?;
        let allowed = allowed.iter().map(Version::allowed);
        Ok(allowed.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Removes the pins of every other version, and returns their numbers. This version's links must be attached.
    ///
    /// # Errors
    /// If something could not be removed.
    pub fn remove_others(&self) -> Result<Vec<u32>, KernelError> {
        let others = self.others()?;
        let removed = others.iter().map(Version::remove);
        removed.fold(Ok(()), Result::and)?;
        Ok(others.iter().map(|other| other.number).collect())
    }

    pub(super) fn others(&self) -> Result<Vec<Version>, KernelError> {
        let mut others = versions(&self.base)?;
        others.retain(|version| !version.is_own());
        Ok(others)
    }

    /// Creates the directory and takes the lock, which all versions share.
    ///
    /// # Errors
    /// [`KernelError::NotBpffs`], [`KernelError::Locked`], [`KernelError::UnknownPins`], [`KernelError::ForeignPins`].
    pub fn prepare(&self) -> Result<PinLock, KernelError> {
        self.make()?;
        let lock = self.lock()?;
        versions(&self.base)?;
        make_own(&self.root)?;
        Ok(lock)
    }

    /// Creates the directory again if it was removed, and locks the new one for `lock`.
    ///
    /// # Errors
    /// As [`Pins::prepare`].
    pub fn prepare_again(&self, lock: &mut PinLock) -> Result<(), KernelError> {
        if self.is_still(&lock.directory) {
            return make_own(&self.root);
        }
        *lock = self.prepare()?;
        Ok(())
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
        make_own(&self.base)
    }

    fn lock(&self) -> Result<PinLock, KernelError> {
        let what = || format!("lock {}", self.base.display());
        let directory = File::open(&self.base).map_err(KernelError::failed(what()))?;
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(directory) if self.is_still(&directory) => Ok(PinLock { directory }),
            Ok(_removed) => Err(KernelError::Locked {
                path: self.base.clone(),
            }),
            Err((_, nix::Error::EWOULDBLOCK)) => Err(KernelError::Locked {
                path: self.base.clone(),
            }),
            Err((_, error)) => Err(KernelError::failed(what())(error)),
        }
    }

    /// Whether `locked` is still the directory.
    fn is_still(&self, locked: &File) -> bool {
        let numbers = |found: fs::Metadata| (found.dev(), found.ino());
        let locked = locked.metadata().map(numbers).ok();
        locked.is_some() && locked == fs::metadata(&self.base).map(numbers).ok()
    }

    /// Ends enforcement: deletes the filters of network devices, and removes the pins of every version, links first. Every removal is tried; the first error is returned.
    ///
    /// # Errors
    /// If something could not be removed.
    pub fn remove(&self) -> Result<(), KernelError> {
        let versions = versions(&self.base)?;
        let unfiltered = OwnFilters::of(&self.base).remove_all();
        let removed = versions.iter().map(Version::remove);
        removed.fold(unfiltered, Result::and)?;
        let what = format!("remove {}", self.base.display());
        fs::remove_dir(&self.base).map_err(KernelError::failed(what))
    }
}

/// Creates a directory that only root may list, change or lock; an existing one must already be such a directory.
fn make_own(directory: &Path) -> Result<(), KernelError> {
    let what = || format!("create {}", directory.display());
    let made = DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(directory);
    made.map_err(KernelError::failed(what()))?;
    check_own(directory)
}

fn check_own(directory: &Path) -> Result<(), KernelError> {
    let what = || format!("inspect {}", directory.display());
    let found = fs::symlink_metadata(directory).map_err(KernelError::failed(what()))?;
    if !is_roots_alone(&found) {
        return Err(KernelError::ForeignPins {
            path: directory.to_owned(),
        });
    }
    Ok(())
}

/// Mounts a BPF file system at `path`.
///
/// # Errors
/// If the kernel refuses.
pub fn mount_bpffs(path: &Path) -> Result<(), KernelError> {
    let what = format!("mount a BPF file system at {}", path.display());
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), path, Some("bpf"), flags, Some("mode=700"))
        .map_err(KernelError::failed(what))
}

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == BPF_FS_MAGIC)
}
