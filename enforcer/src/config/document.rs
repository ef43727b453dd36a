//! Reads a TOML document fault by fault: what is wrong is noted and left out, so that the rest is read as well.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::faults::{Faults, MOST_FAULTS};
use crate::plain_words::plain_words;

/// Where a value stands in a document.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The keys and indexes that lead to it.
    steps: Vec<Step>,
    /// Where its table begins, as a byte offset.
    pub(super) table_at: usize,
}

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Element(usize),
}

impl Place {
    /// Its keys, joined by dots.
    pub(super) fn key(&self) -> String {
        let keys = self.steps.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Element(_) => None,
        });
        keys.collect::<Vec<_>>().join(".")
    }

    fn below(mut self, step: Step) -> Self {
        self.steps.insert(0, step);
        self
    }
}

/// Reads `text`. Each fault is added to `faults`, and the value that has it is left out; `None` where that leaves nothing to read.
pub(super) fn read<T: DeserializeOwned>(text: &str, faults: &mut Faults) -> Option<T> {
    let (mut document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        add_syntax_errors(text, errors, faults);
        return None;
    }
    while faults.len() < MOST_FAULTS {
        let error = match T::deserialize(Deserializer::from(document.clone())) {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let at = error.span().unwrap_or_default();
        faults.add(&at, plain_words(error.message(), "a table"));
        let place = place_at(document.get_ref(), at.start).filter(|_| !at.is_empty())?;
        if !leave_out(document.get_mut(), &place.steps) {
            return None;
        }
        faults.leave_out(place);
    }
    None
}

/// Adds one error for each line, but only the first where a bracket is open: what follows is then read for a part of a list.
fn add_syntax_errors(text: &str, errors: Vec<Error>, faults: &mut Faults) {
    let is_open = |error: &Error| {
        let told = error.message();
        told.starts_with("unclosed") || told.starts_with("missing comma")
    };
    let told = if errors.iter().any(is_open) {
        1
    } else {
        errors.len()
    };
    for error in errors.iter().take(told) {
        let at = error.span().unwrap_or_default();
        if !faults.is_on_line(text, at.start) {
            faults.add(&at, plain_words(error.message(), "a table"));
        }
    }
}

/// The line of `offset`, counted from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before.matches('\n').count() + 1
}

/// The innermost key or element at `offset`, by its name or its value.
pub(super) fn place_at(document: &DeTable<'_>, offset: usize) -> Option<Place> {
    in_table(document, 0, offset)
}

fn in_table(table: &DeTable<'_>, table_at: usize, offset: usize) -> Option<Place> {
    table.iter().find_map(|(key, value)| {
        let here = || key.span().contains(&offset).then(|| at(table_at));
        let place = in_value(value, table_at, offset).or_else(here)?;
        Some(place.below(Step::Key(key.get_ref().to_string())))
    })
}

fn in_value(value: &Spanned<DeValue<'_>>, table_at: usize, offset: usize) -> Option<Place> {
    let value_at = value.span();
    let value = value.get_ref();
    let of_table = value
        .as_table()
        .and_then(|table| in_table(table, value_at.start, offset));
    let elements = value.as_array().into_iter().flat_map(|array| array.iter());
    let mut elements = elements.enumerate();
    let of_array = elements.find_map(|(index, element)| {
        let place = in_value(element, table_at, offset)?;
        Some(place.below(Step::Element(index)))
    });
    let below = of_table.or(of_array);
    below.or_else(|| value_at.contains(&offset).then(|| at(table_at)))
}

fn at(table_at: usize) -> Place {
    Place {
        steps: Vec::new(),
        table_at,
    }
}

/// Removes the value at the end of `steps`, and says whether it was there.
fn leave_out(table: &mut DeTable<'_>, steps: &[Step]) -> bool {
    match steps {
        [Step::Key(key)] => table.remove(key.as_str()).is_some(),
        [Step::Key(key), rest @ ..] => table
            .get_mut(key.as_str())
            .is_some_and(|value| leave_out_of(value.get_mut(), rest)),
        [] | [Step::Element(_), ..] => false,
    }
}

fn leave_out_of(value: &mut DeValue<'_>, steps: &[Step]) -> bool {
    match (value, steps) {
        (DeValue::Table(table), _) => leave_out(table, steps),
        (DeValue::Array(array), [Step::Element(index)]) => {
            let mut rest = DeArray::new();
            let others = array.iter().enumerate().filter(|(at, _)| at != index);
            others.for_each(|(_, element)| rest.push(element.clone()));
            let was_there = rest.len() < array.len();
            *array = rest;
            was_there
        }
        (DeValue::Array(array), [Step::Element(index), rest @ ..]) => array
            .get_mut(*index)
            .is_some_and(|element| leave_out_of(element.get_mut(), rest)),
        _ => false,
    }
}
