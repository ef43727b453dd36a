//! Intervals of addresses, each of one class, from prefixes that override each other.

use std::collections::BTreeMap;

use enforcer_common::Class;

/// Starts of intervals, each with the class up to the next start. Addresses before the first start are unprotected.
#[derive(Default)]
pub(super) struct Canvas {
    starts: BTreeMap<u128, Class>,
}

impl Canvas {
    /// Sets the class of `first..=last`.
    pub(super) fn paint(&mut self, first: u128, last: u128, class: Class) {
        if let Some(after) = last.checked_add(1) {
            let resumed = self.class_at(after);
            self.starts.insert(after, resumed);
        }
        let covered: Vec<u128> = self
            .starts
            .range(first..=last)
            .map(|(start, _)| *start)
            .collect();
        for start in covered {
            self.starts.remove(&start);
        }
        self.starts.insert(first, class);
    }

    fn class_at(&self, address: u128) -> Class {
        let before = self.starts.range(..=address).next_back();
        before.map_or(Class::Unprotected, |(_, class)| *class)
    }

    /// Returns the intervals in order; adjacent ones of the same class are merged.
    pub(super) fn intervals(&self) -> Vec<(u128, Class)> {
        let mut intervals: Vec<(u128, Class)> = Vec::with_capacity(self.starts.len());
        for (start, class) in &self.starts {
            let before = intervals
                .last()
                .map_or(Class::Unprotected, |(_, class)| *class);
            if before != *class {
                intervals.push((*start, *class));
            }
        }
        intervals
    }
}

/// Returns the class of `first..=last`; `None` where it has several.
pub(super) fn uniform(intervals: &[(u128, Class)], first: u32, last: u32) -> Option<Class> {
    let begun =
        |address: u32| intervals.partition_point(|(start, _)| *start <= u128::from(address));
    let before = begun(first);
    if begun(last) != before {
        return None;
    }
    Some(
        before
            .checked_sub(1)
            .map_or(Class::Unprotected, |at| intervals[at].1),
    )
}
