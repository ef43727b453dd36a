//! Hand-over between versions: the pins of all of them, one directory each.
//!
//! Rules for all versions, so that each can take over from any other: the base directory, locked (flock) by the running process, contains only
//! directories `v<layout version>` that only root can access; each of these contains only pins, and those of links have names that begin with
//! `link_`. A version that takes over attaches its own links before it removes the others' pins. Of their maps it reads only [`ALLOWED`], if
//! [`SAME_ALLOWED`] lists the version, and shares those of connections (`share.rs`), whose pin names and sizes identify their layouts.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aya::maps::{HashMap, Map, MapData};
use enforcer_common::layout::{ALLOWED, AddressKey, NameCount, SAME_ALLOWED, VERSION, pin_name};

use super::link::{detach, is_attached};
use crate::sys::KernelError;

/// Prefix of the names of links' pins.
pub(super) const LINK_PREFIX: &str = "link_";

/// The pins of one version.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) number: u32,
    root: PathBuf,
}

/// The directory of a version's pins.
pub(super) fn root_of(base: &Path, number: u32) -> PathBuf {
    base.join(format!("v{number}"))
}

/// The versions that have pins in `base`, lowest first; none if it does not exist.
///
/// # Errors
/// [`KernelError::UnknownPins`], [`KernelError::ForeignPins`], and if the directory cannot be read.
pub(super) fn versions(base: &Path) -> Result<Vec<Version>, KernelError> {
    let what = || KernelError::failed(format!("read {}", base.display()));
    let entries = match fs::read_dir(base) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(what())?,
    };
    let mut found = Vec::new();
    for entry in entries {
        found.push(Version::of(base, entry.map_err(what())?.path())?);
    }
    found.sort_unstable_by_key(|version| version.number);
    Ok(found)
}

impl Version {
    fn of(base: &Path, root: PathBuf) -> Result<Self, KernelError> {
        let what = || KernelError::failed(format!("inspect {}", root.display()));
        let name = root.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix('v')?.parse().ok());
        let Some(number) = number.filter(|number| root_of(base, *number) == root) else {
            return Err(KernelError::UnknownPins { entry: root });
        };
        let found = fs::symlink_metadata(&root).map_err(what())?;
        let parent = fs::metadata(base).map_err(what())?;
        // Another file system mounted there has no pins of ours, and would be emptied.
        if !is_roots_alone(&found) || found.dev() != parent.dev() {
            return Err(KernelError::ForeignPins { path: root });
        }
        Ok(Self { number, root })
    }

    /// Whether it is the version of this program.
    pub(super) fn is_own(&self) -> bool {
        self.number == VERSION
    }

    /// Whether any of its links is attached.
    pub(super) fn judges(&self) -> bool {
        self.links().iter().any(|link| is_attached(link))
    }

    /// Addresses that it allows for names; none if its layout is unknown, or if it has no links: then another version took over, and its maps are outdated.
    ///
    /// # Errors
    /// If its layout is known and the map cannot be read.
    pub(super) fn allowed(&self) -> Result<Vec<AddressKey>, KernelError> {
        let place = self.root.join(ALLOWED);
        let keeps = !self.links().is_empty() && place.exists();
        if !keeps || !SAME_ALLOWED.contains(&self.number) {
            return Ok(Vec::new());
        }
        let what = || KernelError::failed(format!("read {}", place.display()));
        let data = MapData::from_pin(&place).map_err(KernelError::failed("open a map"))?;
        let map = Map::from_map_data(data).map_err(what())?;
        let map = HashMap::<_, AddressKey, NameCount>::try_from(map).map_err(what())?;
        map.keys().collect::<Result<_, _>>().map_err(what())
    }

    /// Its map `name`, if it has links: else another version took over, and its maps are outdated.
    pub(super) fn map(&self, name: &str) -> Option<MapData> {
        if self.links().is_empty() {
            return None;
        }
        MapData::from_pin(self.root.join(pin_name(name))).ok()
    }

    /// Removes its pins, links first. Every removal is tried; the first error is returned.
    ///
    /// # Errors
    /// If something could not be removed.
    pub(super) fn remove(&self) -> Result<(), KernelError> {
        self.unpin().map_err(KernelError::failed(format!(
            "remove {}",
            self.root.display()
        )))
    }

    fn unpin(&self) -> io::Result<()> {
        let mut pins = self.pins()?;
        pins.sort_unstable_by_key(|pin| !is_link(pin));
        for link in pins.iter().filter(|pin| is_link(pin)) {
            if let Err(error) = detach(link) {
                tracing::debug!(pin = %link.display(), "not detached before it was unpinned: {error}");
            }
        }
        let removed = pins
            .iter()
            .map(fs::remove_file)
            .fold(Ok(()), io::Result::and);
        removed.and_then(|()| fs::remove_dir(&self.root))
    }

    fn links(&self) -> Vec<PathBuf> {
        let mut pins = self.pins().unwrap_or_default();
        pins.retain(|pin| is_link(pin));
        pins
    }

    fn pins(&self) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(&self.root)?
            .map(|entry| Ok(entry?.path()))
            .collect()
    }
}

/// Whether only root may list, change or lock a directory.
pub(super) fn is_roots_alone(found: &Metadata) -> bool {
    found.is_dir() && found.uid() == 0 && found.mode() & 0o077 == 0
}

fn is_link(pin: &Path) -> bool {
    let name = pin.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(LINK_PREFIX))
}
