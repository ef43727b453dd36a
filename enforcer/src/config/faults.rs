//! What is wrong with a configuration: every fault of the file, each at its place.

use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use super::document::{Place, line_of, place_at};
use super::error::{ConfigError, FaultAt};
use super::{Config, Paths};
use crate::printable;

/// The most faults of one file that are told.
pub(super) const MOST_FAULTS: usize = 50;

/// Something wrong at a place in the text (byte offsets). An empty range concerns no key.
#[derive(Debug)]
struct Fault {
    at: Range<usize>,
    problem: String,
}

/// The faults of a file, and which of its keys were left out for them.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: Vec<Fault>,
    /// What is no fault, and yet has another form that is usual.
    noted: Vec<Fault>,
    left_out: Vec<Place>,
}

/// What a file without a fault is read into.
pub(super) trait Faultless {
    /// Takes over what is noted of the file, each with its key.
    fn take_notes(&mut self, notes: Vec<String>);
}

impl Faultless for Config {
    fn take_notes(&mut self, notes: Vec<String>) {
        self.notes = notes;
    }
}

impl Faultless for Paths {
    fn take_notes(&mut self, _notes: Vec<String>) {}
}

impl Faults {
    /// Adds a fault at `at`.
    pub(super) fn add(&mut self, at: &Range<usize>, problem: impl Into<String>) {
        let (at, problem) = (at.clone(), problem.into());
        self.found.push(Fault { at, problem });
    }

    /// Notes what is no fault.
    pub(super) fn note(&mut self, at: &Range<usize>, note: String) {
        let at = at.clone();
        self.noted.push(Fault { at, problem: note });
    }

    /// Adds the fault at `at`, where there is one.
    pub(super) fn check(&mut self, at: &Range<usize>, problem: Option<String>) {
        if let Some(problem) = problem {
            self.add(at, problem);
        }
    }

    /// Adds that the section at `at` lacks `key` (`exception.until`).
    pub(super) fn missing(&mut self, at: &Range<usize>, key: &str, example: &str) {
        if !self.is_left_out_of(at, key) {
            let key = key.rsplit('.').next().unwrap_or(key);
            self.add(at, format!("{key} is missing; add {key} = {example}"));
        }
    }

    /// Notes that the value at `place` was left out.
    pub(super) fn leave_out(&mut self, place: Place) {
        self.left_out.push(place);
    }

    /// Whether all or a part of the value of `key` was left out, so that nothing follows from its absence.
    pub(super) fn is_left_out(&self, key: &str) -> bool {
        self.left_out.iter().any(|place| place.key() == key)
    }

    /// As [`Faults::is_left_out`], for the section that begins at `at`.
    pub(super) fn is_left_out_of(&self, at: &Range<usize>, key: &str) -> bool {
        let of_section = |place: &&Place| place.table_at == at.start;
        let mut left_out = self.left_out.iter().filter(of_section);
        left_out.any(|place| place.key() == key)
    }

    /// Whether there is any fault on the line of `offset`.
    pub(super) fn is_on_line(&self, text: &str, offset: usize) -> bool {
        let line = line_of(text, offset);
        let mut lines = self.found.iter().map(|fault| line_of(text, fault.at.start));
        lines.any(|found| found == line)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// What was read, where the file `path` that holds `text` has no fault.
    pub(super) fn unless_any<T: Faultless>(
        mut self,
        read: Option<T>,
        text: &str,
        path: &Path,
    ) -> Result<T, ConfigError> {
        let (document, _syntax_errors) = DeTable::parse_recoverable(text);
        let locate = |fault: Fault| fault.locate(text, document.get_ref());
        if let Some(mut read) = read.filter(|_| self.found.is_empty()) {
            let noted = self.noted.into_iter().map(locate);
            read.take_notes(
                noted
                    .map(|FaultAt { key, problem, .. }| format!("{key}: {problem}"))
                    .collect(),
            );
            return Ok(read);
        }
        self.found.sort_by_key(|fault| fault.at.start);
        self.found.truncate(MOST_FAULTS);
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
            let place = place_at(document, offset).map(|place| place.key());
            place.or_else(|| key_on_line(text, offset))
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
