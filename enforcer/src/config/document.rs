//! Reads a TOML document fault by fault: a faulty value is recorded and skipped, so that the rest is read as well.

use serde::de::DeserializeOwned;
use toml::de::{DeTable, Deserializer, Error};

use super::faults::{Faults, MAX_FAULTS};
use super::key_path::key_path_at;
use crate::serde_message;

/// Parses `text`. Each fault is added to `faults`, and the faulty value is skipped; `None` if nothing is left to parse.
pub(super) fn read<T: DeserializeOwned>(text: &str, faults: &mut Faults) -> Option<T> {
    let (mut document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        add_syntax_errors(text, errors, faults);
        return None;
    }
    while faults.len() < MAX_FAULTS {
        let error = match T::deserialize(Deserializer::from(document.clone())) {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let at = error.span().unwrap_or_default();
        faults.add(&at, serde_message::translate(error.message(), "a table"));
        let path = key_path_at(document.get_ref(), at.start).filter(|_| !at.is_empty())?;
        if !path.remove_from(document.get_mut()) {
            return None;
        }
        faults.skip(path);
    }
    None
}

/// Adds one error for each line, but only the first if a bracket is unclosed: the text after it is then parsed as a part of the list.
fn add_syntax_errors(text: &str, errors: Vec<Error>, faults: &mut Faults) {
    let is_unclosed = |error: &Error| {
        let message = error.message();
        message.starts_with("unclosed") || message.starts_with("missing comma")
    };
    let reported = if errors.iter().any(is_unclosed) {
        1
    } else {
        errors.len()
    };
    for error in errors.iter().take(reported) {
        let at = error.span().unwrap_or_default();
        if !faults.is_on_line(text, at.start) {
            faults.add(&at, serde_message::translate(error.message(), "a table"));
        }
    }
}
