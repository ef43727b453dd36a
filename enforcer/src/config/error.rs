//! Configuration errors: file, line and key, what is wrong, and the mend.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

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
    /// The file does not say what it has to.
    #[error("{}:{line}: {key}{}{problem}", path.display(), if key.is_empty() { "" } else { ": " })]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The key with its sections (`registry.regions`); empty where none is concerned.
        key: String,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// A command-line option does not say what it has to.
    #[error("{option}: {problem}")]
    Argument {
        /// The option (`--region`).
        option: &'static str,
        /// What is wrong and how to mend it.
        problem: String,
    },
}

/// Something wrong at a place in the text (byte offsets).
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: Range<usize>,
    pub(super) problem: String,
}

impl Fault {
    pub(super) fn new(at: Range<usize>, problem: impl Into<String>) -> Self {
        Self {
            at,
            problem: problem.into(),
        }
    }

    /// The error for the reader of the file `path` that holds `text`.
    pub(super) fn locate(self, text: &str, path: &Path) -> ConfigError {
        let offset = self.at.start;
        let before = text.bytes().take(offset);
        let (document, _syntax_errors) = DeTable::parse_recoverable(text);
        ConfigError::Invalid {
            path: path.to_owned(),
            line: before.filter(|byte| *byte == b'\n').count() + 1,
            key: key_at(document.get_ref(), offset).unwrap_or_default(),
            problem: self.problem,
        }
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Self {
        Self::new(error.span().unwrap_or_default(), error.message())
    }
}

/// The dotted key that stands at `offset` or whose value does, the innermost one.
fn key_at(table: &DeTable<'_>, offset: usize) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let name = key.get_ref();
        if let Some(inner) = key_in(value.get_ref(), offset) {
            return Some(format!("{name}.{inner}"));
        }
        let here = key.span().contains(&offset) || value.span().contains(&offset);
        here.then(|| name.to_string())
    })
}

fn key_in(value: &DeValue<'_>, offset: usize) -> Option<String> {
    if let Some(table) = value.as_table() {
        return key_at(table, offset);
    }
    let elements = value.as_array()?;
    elements
        .iter()
        .find_map(|element| key_in(element.get_ref(), offset))
}
