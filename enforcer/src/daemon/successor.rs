//! The program that takes over once this one stops. An upgrade or a downgrade replaces the program's file first, then restarts the daemon.
//!
//! Filters of network devices belong to no pin directory, so that a version from before them would leave them with the policy of today. A daemon
//! that such a version replaces removes them.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Text in the file of each program that knows the filters of network devices.
#[used]
static MARK: [u8; 51] = *b"egress-enforcer: knows filters of network devices 1";
/// The program of this process, also after its file was replaced.
const OWN: &str = "/proc/self/exe";
/// Bytes that are read at once.
const PART: usize = 64 * 1024;

/// The file of this program.
#[derive(Debug)]
pub(super) struct OwnProgram {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl OwnProgram {
    /// Finds the file; `None` if the kernel does not name it.
    pub(super) fn find() -> Option<Self> {
        let path = fs::read_link(OWN).ok()?;
        let identity = identity(Path::new(OWN)).ok()?;
        Some(Self { path, identity })
    }

    /// Returns whether the program that is at the same path now knows the filters of network devices. Where there is none, or it cannot be read, they stay.
    pub(super) fn successor_knows_filters(&self) -> bool {
        match identity(&self.path) {
            Ok(found) if found != self.identity => {}
            Ok(_) | Err(_) => return true,
        }
        let found = File::open(&self.path).and_then(|file| contains(file, black_box(&MARK)));
        found.unwrap_or_else(|error| {
            tracing::warn!("cannot read {}: {error}", self.path.display());
            true
        })
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Returns whether `mark` is among the bytes of `file`.
fn contains(mut file: impl Read, mark: &[u8]) -> io::Result<bool> {
    let mut part = vec![0; PART];
    let mut window: Vec<u8> = Vec::new();
    loop {
        match file.read(&mut part) {
            Ok(0) => return Ok(false),
            Ok(read) => window.extend(part.iter().take(read)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if window.windows(mark.len()).any(|found| found == mark) {
            return Ok(true);
        }
        // It may begin in this part and end in the next.
        let kept = mark.len().saturating_sub(1).min(window.len());
        window.drain(..window.len() - kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether filters stay if the program at a path is replaced by one with these bytes.
    fn knows(bytes: &[u8]) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        fs::write(&path, b"first").unwrap();
        let program = OwnProgram {
            identity: identity(&path).unwrap(),
            path: path.clone(),
        };
        assert!(program.successor_knows_filters(), "not replaced");
        let new = directory.path().join("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(&new, &path).unwrap();
        program.successor_knows_filters()
    }

    #[test]
    fn a_replaced_program_knows_filters_if_it_has_the_mark() {
        assert!(!knows(b""));
        assert!(!knows(&MARK[1..]));
        assert!(knows(&MARK));
        for before in [1, PART - MARK.len() + 1, PART - 1, PART, 3 * PART] {
            let bytes = [&vec![b'e'; before][..], &MARK, b"more"].concat();
            assert!(knows(&bytes), "{before}");
        }
    }

    #[test]
    fn a_program_that_is_gone_leaves_the_filters() {
        let program = OwnProgram {
            path: "/nonexistent/program".into(),
            identity: (0, 0),
        };
        assert!(program.successor_knows_filters());
    }

    #[test]
    fn this_program_has_the_mark() {
        let own = OwnProgram::find().unwrap();
        assert!(own.successor_knows_filters());
        assert!(contains(File::open(own.path).unwrap(), &MARK).unwrap());
    }
}
