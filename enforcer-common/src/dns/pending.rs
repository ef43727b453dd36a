//! Queries of a socket that have no answer yet.

use core::cell::Cell;

/// Maximum number of pending queries; the oldest is dropped first.
const MAX_PENDING: usize = 32;
/// The same for queries of watched names, which have places of their own: they drop no query that an answer grants something to.
const MAX_WATCHED: usize = 8;

/// Pending queries of a socket, as [`super::Question::word`]s. All zero: none.
///
/// There is no lock: if two threads race, a query may be lost, and its answer then grants nothing.
#[derive(Debug)]
#[repr(C)]
pub struct PendingQueries {
    words: [Cell<u64>; MAX_PENDING],
    next: Cell<u64>,
    /// Halves of the address of the resolver that the socket last connected or sent to; zero for none.
    server: [Cell<u64>; 2],
    watched: [Cell<u64>; MAX_WATCHED],
    next_watched: Cell<u64>,
}

const _: () = assert!(size_of::<PendingQueries>() == 8 * (MAX_PENDING + 1 + 2 + MAX_WATCHED + 1));

impl PendingQueries {
    /// No query.
    pub const fn new() -> Self {
        Self {
            words: [const { Cell::new(0) }; MAX_PENDING],
            next: Cell::new(0),
            server: [const { Cell::new(0) }; 2],
            watched: [const { Cell::new(0) }; MAX_WATCHED],
            next_watched: Cell::new(0),
        }
    }

    /// Records the resolver that the socket connects or sends to, by the halves of its address; zeros for none.
    #[inline(always)]
    pub fn set_server(&self, [high, low]: [u64; 2]) {
        self.server[0].set(high);
        self.server[1].set(low);
    }

    /// Halves of that resolver's address.
    #[inline(always)]
    pub fn server(&self) -> Option<[u64; 2]> {
        let halves = [self.server[0].get(), self.server[1].get()];
        (halves[0] | halves[1] != 0).then_some(halves)
    }

    /// Adds a query.
    #[inline(always)]
    pub fn add(&self, word: u64) {
        let next = self.next.get() as usize % MAX_PENDING;
        self.words[next].set(word);
        self.next.set(next.wrapping_add(1) as u64);
    }

    /// Adds a query of a watched name.
    #[inline(always)]
    pub fn add_watched(&self, word: u64) {
        let next = self.next_watched.get() as usize % MAX_WATCHED;
        self.watched[next].set(word);
        self.next_watched.set(next.wrapping_add(1) as u64);
    }

    /// Removes a query; returns whether it was there. A query that was sent twice is there twice.
    #[inline(always)]
    pub fn take(&self, word: u64) -> bool {
        word != 0 && (take(&self.words, word) || take(&self.watched, word))
    }
}

#[inline(always)]
fn take<const MANY: usize>(words: &[Cell<u64>; MANY], word: u64) -> bool {
    let found = words.iter().find(|entry| entry.get() == word);
    if let Some(entry) = found {
        entry.set(0);
    }
    found.is_some()
}

impl Default for PendingQueries {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_of_watched_names_drop_each_other_only() {
        let pending = PendingQueries::new();
        pending.add(1);
        (100..200).for_each(|word| pending.add_watched(word));
        (2..=32).for_each(|word| pending.add(word));
        assert!((1..=32).all(|word| pending.take(word)));
        assert!((192..200).all(|word| pending.take(word)));
        assert!(!(100..200).any(|word| pending.take(word)));
    }

    #[test]
    fn a_query_is_answered_as_often_as_it_was_sent() {
        let pending = PendingQueries::new();
        assert!(!pending.take(5));
        pending.add(5);
        pending.add(6);
        pending.add(5);
        assert!(!pending.take(7));
        assert_eq!(
            [pending.take(5), pending.take(5), pending.take(5)],
            [true, true, false]
        );
        assert!(pending.take(6));
        assert!(!pending.take(0), "an empty slot is no query");
    }

    #[test]
    fn the_last_resolver_counts_and_zeros_are_none() {
        let pending = PendingQueries::new();
        assert_eq!(pending.server(), None);
        pending.set_server([0, 7]);
        pending.set_server([6, 0]);
        assert_eq!(pending.server(), Some([6, 0]));
        pending.set_server([0; 2]);
        assert_eq!(pending.server(), None);
    }

    #[test]
    fn the_oldest_of_too_many_queries_is_dropped() {
        let pending = PendingQueries::new();
        for word in 1..=33 {
            pending.add(word);
        }
        assert!(!pending.take(1));
        assert!((2..=33).all(|word| pending.take(word)));
    }
}
