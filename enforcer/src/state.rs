//! The state file: the last good addresses, with which the daemon starts if the network is down.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::file::read_up_to;
use crate::name::Name;

#[cfg(test)]
mod tests;

/// Version of the file's layout; files of other versions are not read. Added fields do not raise it, since other daemons ignore unknown
/// fields; a change that they would misread does.
const VERSION: u32 = 1;
/// Maximum size of the file, in bytes. 256 addresses for each of 100 names take about 3 MiB.
const MAX_SIZE: u64 = 4 * 1024 * 1024;

/// The contents of `state.json`: `{"version":1,"names":{NAME:{ADDRESS:{"first-seen":…,"last-seen":…}}}}`, times in RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct State {
    version: u32,
    /// The addresses of each name.
    pub names: BTreeMap<Name, BTreeMap<IpAddr, Seen>>,
}

/// When DNS last showed a replica, in wall time, by login server and region.
pub type Replicas = BTreeMap<Name, BTreeMap<String, Timestamp>>;

/// When DNS answers contained an address, in wall time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Seen {
    /// First time.
    pub first_seen: Timestamp,
    /// Last time.
    pub last_seen: Timestamp,
}

/// Error of reading or writing the state file.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file exists but cannot be used.
    #[error(
        "{}: {reason}; the daemon goes on without the last good addresses and {aside}", path.display()
    )]
    Unusable {
        /// The state file.
        path: PathBuf,
        /// The reason.
        reason: Unusable,
        /// Whether the file was moved aside.
        aside: Aside,
    },
    /// The file could not be written; the old one is unchanged.
    #[error("{}: not written, the old file stays: {source}", path.display())]
    NotSaved {
        /// The state file.
        path: PathBuf,
        /// The first error.
        source: io::Error,
    },
}

/// Reason why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It is larger than any that a daemon writes.
    #[error("larger than {MAX_SIZE} bytes, which no daemon writes")]
    TooLarge,
    /// It has another layout version.
    #[error("has version {0}, this daemon reads version {VERSION}")]
    OtherVersion(u32),
    /// It is not a valid state file.
    #[error("is damaged: {0}")]
    Corrupt(#[source] serde_json::Error),
}

/// Result of moving an unusable file aside.
#[derive(Debug, thiserror::Error)]
pub enum Aside {
    /// It was moved to this path, replacing an earlier file.
    #[error("keeps the file as {}", .0.display())]
    Kept(PathBuf),
    /// It could not be moved; the next save replaces it.
    #[error("could not move the file aside: {0}")]
    Stuck(#[source] io::Error),
}

impl State {
    /// A state of the current layout version.
    pub fn new(names: BTreeMap<Name, BTreeMap<IpAddr, Seen>>) -> Self {
        Self {
            version: VERSION,
            names,
        }
    }
}

/// Reads the state file; `None` if it does not exist.
///
/// # Errors
/// [`StateError::Unusable`]. The file is then moved to the same path with the suffix `.corrupt`, or `.v` and its version if that differs, so
/// that the next save does not overwrite it.
pub fn load(path: &Path) -> Result<Option<State>, StateError> {
    let read = match read_up_to(path, MAX_SIZE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(Unusable::Unreadable(error)),
        Ok(None) => Err(Unusable::TooLarge),
        Ok(Some(text)) => parse(&text),
    };
    read.map(Some).map_err(|reason| StateError::Unusable {
        path: path.to_owned(),
        aside: set_aside(path, &reason),
        reason,
    })
}

/// Writes the state file atomically, with mode 0600: writes and syncs a temporary file beside it, then renames it. Creates a missing directory
/// with mode 0700.
///
/// # Errors
/// [`StateError::NotSaved`]; the old file is unchanged.
pub fn save(path: &Path, state: &State) -> Result<(), StateError> {
    save_with(path, |file| {
        let mut writer = io::BufWriter::new(file);
        serde_json::to_writer(&mut writer, state)?;
        writer.flush()
    })
}

fn parse(text: &[u8]) -> Result<State, Unusable> {
    let Versioned { version } = serde_json::from_slice(text).map_err(Unusable::Corrupt)?;
    if version != VERSION {
        return Err(Unusable::OtherVersion(version));
    }
    serde_json::from_slice(text).map_err(Unusable::Corrupt)
}

/// The field that every version of the file has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn set_aside(path: &Path, reason: &Unusable) -> Aside {
    let suffix = match reason {
        Unusable::OtherVersion(version) => format!(".v{version}"),
        Unusable::Unreadable(_) | Unusable::TooLarge | Unusable::Corrupt(_) => {
            ".corrupt".to_owned()
        }
    };
    let moved = with_suffix(path, &suffix);
    match fs::rename(path, &moved) {
        Ok(()) => Aside::Kept(moved),
        Err(error) => Aside::Stuck(error),
    }
}

fn save_with(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), StateError> {
    write_whole(path, 0o600, write).map_err(|source| StateError::NotSaved {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file with `mode` atomically: writes and syncs a temporary file beside it, then renames it.
pub(crate) fn write_whole(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let new = with_suffix(path, ".new");
    replace(path, &new, mode, write).inspect_err(|_| {
        // The caller reports the first error; the next save replaces a temporary file that remains.
        drop(fs::remove_file(&new));
    })
}

fn replace(
    path: &Path,
    new: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(new)?;
    write(&mut file)?;
    file.flush()?;
    file.sync_all()?;
    fs::rename(new, path)?;
    File::open(directory)?.sync_all()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
