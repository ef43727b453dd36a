//! The directory of the log and its files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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
        let Some(number) = entry.file_name().to_str().and_then(number) else {
            continue;
        };
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => files.push(LogFile {
                number,
                path: entry.path(),
                length: metadata.len(),
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

fn number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("events-")?.strip_suffix(".jsonl")?;
    number.parse().ok()
}
