//! Intervals of addresses, each of one class, from prefixes that override each other.

use std::collections::BTreeMap;

use enforcer_common::Class;
use ipnet::IpNet;

use super::layer::Layer;

/// Paints `layers` on a canvas for IPv4 and one for IPv6; later layers override earlier ones.
pub(super) fn paint(layers: &[Layer]) -> [Canvas; 2] {
    let mut canvases = [Canvas::default(), Canvas::default()];
    for layer in layers {
        for prefix in &layer.prefixes {
            let [v4, v6] = &mut canvases;
            let canvas = if let IpNet::V4(_) = prefix { v4 } else { v6 };
            let (first, last) = range(prefix);
            canvas.paint(first, last, layer.class);
        }
    }
    canvases
}

/// Returns the first and the last address of a prefix.
pub(super) fn range(prefix: &IpNet) -> (u128, u128) {
    match prefix {
        IpNet::V4(net) => {
            let [first, last] = [net.network(), net.broadcast()].map(u32::from);
            (first.into(), last.into())
        }
        IpNet::V6(net) => (net.network().into(), net.broadcast().into()),
    }
}

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

/// Intervals within a range of addresses.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    /// Class at the start of the range.
    pub(super) class: Class,
    /// Starts of the further intervals, in order, each with its class.
    pub(super) starts: &'a [(u128, Class)],
}

impl Span<'_> {
    /// Splits off the part up to `last`; both the range and the part start at `first`.
    pub(super) fn split_to(&mut self, first: u32, last: u32) -> Self {
        let is_within = |(start, _): &&(u128, Class)| *start <= u128::from(last);
        let count = self.starts.iter().take_while(is_within).count();
        let (mut starts, rest) = self.starts.split_at(count);
        if let Some(((start, class), inner)) = starts.split_first()
            && *start == u128::from(first)
        {
            (self.class, starts) = (*class, inner);
        }
        let part = Self {
            class: self.class,
            starts,
        };
        self.starts = rest;
        self.class = starts.last().map_or(self.class, |(_, class)| *class);
        part
    }
}
