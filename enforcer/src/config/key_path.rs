//! Positions in a TOML document: the keys that lead to a value, and the line of an offset.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// The position of a value in a document.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyPath {
    /// The keys and indexes that lead to it.
    steps: Vec<Step>,
    /// The start of its table, as a byte offset.
    pub(super) table_at: usize,
}

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Element(usize),
}

impl KeyPath {
    /// Returns its keys, joined by dots.
    pub(super) fn key(&self) -> String {
        let keys = self.steps.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Element(_) => None,
        });
        keys.collect::<Vec<_>>().join(".")
    }

    /// Removes its value from `document`, and returns whether it was present.
    pub(super) fn remove_from(&self, document: &mut DeTable<'_>) -> bool {
        remove_from_table(document, &self.steps)
    }

    fn prepend(mut self, step: Step) -> Self {
        self.steps.insert(0, step);
        self
    }
}

/// Returns the line of `offset`, counted from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before.matches('\n').count() + 1
}

/// Returns the innermost key or element whose name or value is at `offset`.
pub(super) fn key_path_at(document: &DeTable<'_>, offset: usize) -> Option<KeyPath> {
    in_table(document, 0, offset)
}

fn in_table(table: &DeTable<'_>, table_at: usize, offset: usize) -> Option<KeyPath> {
    table.iter().find_map(|(key, value)| {
        let here = || key.span().contains(&offset).then(|| at(table_at));
        let path = in_value(value, table_at, offset).or_else(here)?;
        Some(path.prepend(Step::Key(key.get_ref().to_string())))
    })
}

fn in_value(value: &Spanned<DeValue<'_>>, table_at: usize, offset: usize) -> Option<KeyPath> {
    let value_at = value.span();
    let value = value.get_ref();
    let of_table = value
        .as_table()
        .and_then(|table| in_table(table, value_at.start, offset));
    let elements = value.as_array().into_iter().flat_map(|array| array.iter());
    let mut elements = elements.enumerate();
    let of_array = elements.find_map(|(index, element)| {
        let path = in_value(element, table_at, offset)?;
        Some(path.prepend(Step::Element(index)))
    });
    let below = of_table.or(of_array);
    below.or_else(|| value_at.contains(&offset).then(|| at(table_at)))
}

fn at(table_at: usize) -> KeyPath {
    KeyPath {
        steps: Vec::new(),
        table_at,
    }
}

/// Removes the value at the end of `steps`, and returns whether it was present.
fn remove_from_table(table: &mut DeTable<'_>, steps: &[Step]) -> bool {
    match steps {
        [Step::Key(key)] => table.remove(key.as_str()).is_some(),
        [Step::Key(key), rest @ ..] => table
            .get_mut(key.as_str())
            .is_some_and(|value| remove_from_value(value.get_mut(), rest)),
        [] | [Step::Element(_), ..] => false,
    }
}

fn remove_from_value(value: &mut DeValue<'_>, steps: &[Step]) -> bool {
    match (value, steps) {
        (DeValue::Table(table), _) => remove_from_table(table, steps),
        (DeValue::Array(array), [Step::Element(index)]) => {
            let mut rest = DeArray::new();
            let others = array.iter().enumerate().filter(|(at, _)| at != index);
            others.for_each(|(_, element)| rest.push(element.clone()));
            let was_present = rest.len() < array.len();
            *array = rest;
            was_present
        }
        (DeValue::Array(array), [Step::Element(index), rest @ ..]) => array
            .get_mut(*index)
            .is_some_and(|element| remove_from_value(element.get_mut(), rest)),
        _ => false,
    }
}
