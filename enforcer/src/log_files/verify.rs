//! Checks the chain of hashes.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::chain::{Entry, Line, LineHash};
use super::directory::files;
use super::read::read_line;

/// The most breaks that are listed.
const MOST_BREAKS: usize = 20;

/// What the log in a directory holds.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Verified {
    /// Number of files.
    pub(crate) files: usize,
    /// Number of events.
    pub(crate) events: u64,
    /// Length of all lines in bytes.
    pub(crate) bytes: u64,
    /// The time of the first event.
    #[cfg_attr(test, schemars(with = "Option<crate::documents::Time>"))]
    pub(crate) first: Option<Timestamp>,
    /// The time of the last event.
    #[cfg_attr(test, schemars(with = "Option<crate::documents::Time>"))]
    pub(crate) last: Option<Timestamp>,
    /// Hash of the line before the first one; zeros if none was removed.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) before: LineHash,
    /// Hash of the last line.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) head: LineHash,
    /// Where the chain is broken, at most 20 places.
    pub(crate) breaks: Vec<Break>,
}

/// A place where lines were changed, removed or added.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Break {
    /// The file.
    pub(crate) file: PathBuf,
    /// Number of the line, from 1.
    pub(crate) line: u64,
    /// What is wrong.
    pub(crate) problem: String,
}

/// Reads the whole log in `directory` and checks each hash.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn verify(directory: &Path) -> io::Result<Verified> {
    let files = files(directory)?;
    let mut chain = Chain {
        found: Verified {
            files: files.len(),
            events: 0,
            bytes: 0,
            first: None,
            last: None,
            before: LineHash::NONE,
            head: LineHash::NONE,
            breaks: Vec::new(),
        },
        is_first: true,
        is_whole: false,
    };
    let mut expected = None;
    for file in files {
        if expected.is_some_and(|number| number != file.number) {
            chain.breaks(&file.path, 1, "a file before it is missing".to_owned());
        }
        let is_oldest = expected.is_none();
        let mut reader = match File::open(&file.path) {
            Ok(file) => BufReader::new(file),
            // The daemon has removed the oldest one meanwhile.
            Err(error) if is_oldest && error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        expected = file.number.checked_add(1);
        chain.is_whole = file.number == 1;
        let mut number = 0;
        while let Some(line) = read_line(&mut reader)? {
            number += 1;
            chain.follow(&file.path, number, &line);
        }
    }
    Ok(chain.found)
}

struct Chain {
    found: Verified,
    is_first: bool,
    /// Whether the file is the first one of all, before which there is no line.
    is_whole: bool,
}

impl Chain {
    fn follow(&mut self, path: &Path, number: u64, line: &[u8]) {
        self.found.bytes += line.len() as u64;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        match Line::parse(line) {
            Ok(Line {
                previous,
                entry: Entry { event, .. },
            }) => {
                if self.is_first {
                    self.found.before = previous;
                    if self.is_whole && previous != LineHash::NONE {
                        self.breaks(path, number, "lines before it are missing".to_owned());
                    }
                } else if previous != self.found.head {
                    let problem = "its hash is not that of the line before it: that one was changed, or lines between them are missing";
                    self.breaks(path, number, problem.to_owned());
                }
                self.found.events += 1;
                self.found.first.get_or_insert(event.time);
                self.found.last = Some(event.time);
            }
            Err(error) => self.breaks(path, number, format!("it is no event: {error}")),
        }
        self.is_first = false;
        self.found.head = LineHash::of(line);
    }

    fn breaks(&mut self, path: &Path, line: u64, problem: String) {
        if self.found.breaks.len() < MOST_BREAKS {
            self.found.breaks.push(Break {
                file: path.to_owned(),
                line,
                problem,
            });
        }
    }
}
