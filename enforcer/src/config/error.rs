//! Configuration errors: file, line and key, what is wrong, and the mend.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
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

    /// The error for the reader of the file `path` that holds `text`. An empty range concerns no key.
    pub(super) fn locate(self, text: &str, path: &Path) -> ConfigError {
        let offset = self.at.start;
        let before = text.get(..offset).unwrap_or(text);
        let (document, _syntax_errors) = DeTable::parse_recoverable(text);
        let key = || key_at(document.get_ref(), offset).or_else(|| key_on_line(text, offset));
        ConfigError::Invalid {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            key: (!self.at.is_empty())
                .then(key)
                .flatten()
                .unwrap_or_default(),
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
        match position_in(value, offset) {
            Some(Position::Key(inner)) => Some(format!("{name}.{inner}")),
            Some(Position::Here) => Some(name.to_string()),
            None => key.span().contains(&offset).then(|| name.to_string()),
        }
    })
}

/// Where an offset lies in a value: at a key below it, or in the value itself.
enum Position {
    Key(String),
    Here,
}

fn position_in(value: &Spanned<DeValue<'_>>, offset: usize) -> Option<Position> {
    if let Some(key) = value
        .get_ref()
        .as_table()
        .and_then(|table| key_at(table, offset))
    {
        return Some(Position::Key(key));
    }
    let mut elements = value
        .get_ref()
        .as_array()
        .into_iter()
        .flat_map(|array| array.iter());
    let inner = elements.find_map(|element| position_in(element, offset));
    inner.or_else(|| value.span().contains(&offset).then_some(Position::Here))
}

/// The key on the line of `offset`, for lines that the parser gave up; no part of a value, which may be a secret.
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
