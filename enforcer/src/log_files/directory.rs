//! The directory of the log and its files.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Returns the directory of the log below the state directory.
pub(crate) fn directory(state: &Path) -> PathBuf {
    state.join("events")
}

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogFile {
    /// The number in its name.
    pub(super) number: u64,
    pub(super) path: PathBuf,
    /// Length in bytes when the directory was read.
    pub(super) length: u64,
    /// When it was last written.
    pub(super) modified: SystemTime,
}

/// Returns the path of the file with this number. Names sort like numbers.
pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("events-{number:012}.jsonl"))
}

/// Returns the files of the log, oldest first; none if the directory does not exist. Other files are ignored.
///
/// # Errors
/// If the directory cannot be read.
pub(super) fn files(directory: &Path) -> io::Result<Vec<LogFile>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Some(number) = number(&entry.file_name()) else {
            continue;
        };
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => files.push(LogFile {
                number,
                path: entry.path(),
                length: metadata.len(),
                modified: metadata.modified()?,
            }),
            Ok(_) => {}
            // The daemon has removed the oldest one meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    files.sort_by_key(|file| file.number);
    Ok(files)
}

/// Returns the number in a name that [`path`] gives.
fn number(name: &OsStr) -> Option<u64> {
    let text = name.to_str()?.strip_prefix("events-")?;
    let number = text.strip_suffix(".jsonl")?.parse().ok()?;
    (path(Path::new(""), number).file_name() == Some(name)).then_some(number)
}
