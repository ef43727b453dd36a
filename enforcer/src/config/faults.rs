//! Errors of a configuration: every fault of the file with its line and key, the problem and its fix.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use toml::de::DeTable;

use super::key_path::{KeyPath, key_path_at, line_of};
use crate::printable;

/// The maximum number of faults that are reported for one file.
pub(super) const MAX_FAULTS: usize = 50;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read; defaults never replace it.
    #[error("{}: cannot be read ({source}); write it, or name another with --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file has no supported encoding.
    #[error("{}:{line}: is neither UTF-8 nor UTF-16 text; save the file as UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first line that is not text, counted from 1.
        line: usize,
    },
    /// The file is not a valid configuration.
    #[error("{}", sentences(path, faults).join("; "))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All faults, by line.
        faults: Vec<FaultAt>,
    },
    /// A command-line option is not valid.
    #[error("{option}: {problem}")]
    Argument {
        /// The option (`--region`).
        option: &'static str,
        /// The problem and its fix.
        problem: String,
    },
}

/// One fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultAt {
    /// The line, counted from 1.
    pub line: usize,
    /// The key with its sections (`registry.regions`); empty if the fault has none.
    pub key: String,
    /// The problem and its fix.
    pub problem: String,
}

/// A fault at a position in the text (byte offsets). An empty range has no key.
#[derive(Debug)]
struct Fault {
    at: Range<usize>,
    problem: String,
}

/// The faults of a file, and the keys that were skipped because of them.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: Vec<Fault>,
    /// Valid values in an unusual form.
    notes: Vec<Fault>,
    skipped: Vec<KeyPath>,
}

/// The result of validating a file without faults.
pub(super) trait Validated {
    /// Stores the notes about the file, each with its key.
    fn set_notes(&mut self, notes: Vec<String>);
}

impl Faults {
    /// Adds a fault at `at`.
    pub(super) fn add(&mut self, at: &Range<usize>, problem: impl Into<String>) {
        let (at, problem) = (at.clone(), problem.into());
        self.found.push(Fault { at, problem });
    }

    /// Adds a note, which is not a fault.
    pub(super) fn note(&mut self, at: &Range<usize>, note: String) {
        let at = at.clone();
        self.notes.push(Fault { at, problem: note });
    }

    /// Adds the fault at `at`, if there is one.
    pub(super) fn check(&mut self, at: &Range<usize>, problem: Option<String>) {
        if let Some(problem) = problem {
            self.add(at, problem);
        }
    }

    /// Adds that the section at `at` lacks `key` (`exception.until`), unless its value was skipped.
    pub(super) fn missing(&mut self, at: &Range<usize>, key: &str, example: &str) {
        if !self.is_skipped_of(at, key) {
            let key = key.rsplit('.').next().unwrap_or(key);
            self.add(at, format!("{key} is missing; add {key} = {example}"));
        }
    }

    /// Records that the value at `path` was skipped.
    pub(super) fn skip(&mut self, path: KeyPath) {
        self.skipped.push(path);
    }

    /// Returns whether all or a part of the value of `key` was skipped, so that its absence implies nothing.
    pub(super) fn is_skipped(&self, key: &str) -> bool {
        self.skipped.iter().any(|path| path.key() == key)
    }

    /// As [`Faults::is_skipped`], for the section that begins at `at`.
    pub(super) fn is_skipped_of(&self, at: &Range<usize>, key: &str) -> bool {
        let of_section = |path: &&KeyPath| path.table_at == at.start;
        let mut skipped = self.skipped.iter().filter(of_section);
        skipped.any(|path| path.key() == key)
    }

    /// Returns whether there is any fault on the line of `offset`.
    pub(super) fn is_on_line(&self, text: &str, offset: usize) -> bool {
        let line = line_of(text, offset);
        let mut lines = self.found.iter().map(|fault| line_of(text, fault.at.start));
        lines.any(|found| found == line)
    }

    /// Returns the number of faults.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Returns `validated` if the file `path`, which contains `text`, has no fault.
    pub(super) fn finish<T: Validated>(
        mut self,
        validated: Option<T>,
        text: &str,
        path: &Path,
    ) -> Result<T, ConfigError> {
        let (document, _syntax_errors) = DeTable::parse_recoverable(text);
        let locate = |fault: Fault| fault.locate(text, document.get_ref());
        if let Some(mut validated) = validated.filter(|_| self.found.is_empty()) {
            let notes = self.notes.into_iter().map(locate);
            validated.set_notes(
                notes
                    .map(|FaultAt { key, problem, .. }| format!("{key}: {problem}"))
                    .collect(),
            );
            return Ok(validated);
        }
        self.found.sort_by_key(|fault| fault.at.start);
        self.found.truncate(MAX_FAULTS);
        Err(ConfigError::Invalid {
            path: path.to_owned(),
            faults: self.found.into_iter().map(locate).collect(),
        })
    }
}

impl Fault {
    fn locate(self, text: &str, document: &DeTable<'_>) -> FaultAt {
        let offset = self.at.start;
        let key = || {
            let path = key_path_at(document, offset).map(|path| path.key());
            path.or_else(|| key_on_line(text, offset))
        };
        FaultAt {
            line: line_of(text, offset),
            key: (!self.at.is_empty())
                .then(key)
                .flatten()
                .unwrap_or_default(),
            problem: printable::line(&self.problem),
        }
    }
}

/// Returns the key on the line of `offset`, for lines that the parser abandoned; never a part of a value, which may be a secret.
fn key_on_line(text: &str, offset: usize) -> Option<String> {
    let start = text
        .get(..offset)?
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let line = text.get(start..)?.lines().next()?;
    let (key, _value) = line.split_once('=')?;
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    Some(key.trim().to_owned()).filter(|key| key.chars().all(is_bare))
}

impl ConfigError {
    /// Returns one sentence for each fault.
    pub fn sentences(&self) -> Vec<String> {
        match self {
            Self::Invalid { path, faults } => sentences(path, faults),
            Self::Unreadable { .. } | Self::NotText { .. } | Self::Argument { .. } => {
                vec![self.to_string()]
            }
        }
    }
}

impl fmt::Display for FaultAt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, problem } = self;
        let separator = if key.is_empty() { "" } else { ": " };
        write!(formatter, "{line}: {key}{separator}{problem}")
    }
}

fn sentences(path: &Path, faults: &[FaultAt]) -> Vec<String> {
    let path = path.display();
    faults
        .iter()
        .map(|fault| format!("{path}:{fault}"))
        .collect()
}
