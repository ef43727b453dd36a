//! Configuration errors: file, line and key, what is wrong, and the fix.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read; defaults never stand in for it.
    #[error("{}: cannot be read ({source}); write it, or name another with --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is in no encoding that is read.
    #[error("{}:{line}: is neither UTF-8 nor UTF-16 text; save the file as UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first line that is no text, counted from 1.
        line: usize,
    },
    /// The file does not say what it has to.
    #[error("{}", sentences(path, faults).join("; "))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All that is wrong, by line.
        faults: Vec<FaultAt>,
    },
    /// A command-line option does not say what it has to.
    #[error("{option}: {problem}")]
    Argument {
        /// The option (`--region`).
        option: &'static str,
        /// What is wrong and how to fix it.
        problem: String,
    },
}

/// One fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultAt {
    /// The line, counted from 1.
    pub line: usize,
    /// The key with its sections (`registry.regions`); empty where none is concerned.
    pub key: String,
    /// What is wrong and how to fix it.
    pub problem: String,
}

impl ConfigError {
    /// One sentence for each fault.
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
