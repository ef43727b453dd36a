//! What a socket asked and has no answer to yet.

use core::cell::Cell;

/// Questions that a socket may have open; the oldest goes first.
const OPEN: usize = 32;

/// The open questions of a socket, as [`super::Question::word`]s. All zero holds none.
///
/// Nothing is locked: a question that is lost where two threads ask at once is one whose answer opens nothing.
#[derive(Debug)]
#[repr(C)]
pub struct PendingQueries {
    words: [Cell<u64>; OPEN],
    next: Cell<u64>,
    /// The halves of the address of the DNS server that the socket last connected or sent to; zero for none.
    server: [Cell<u64>; 2],
}

const _: () = assert!(size_of::<PendingQueries>() == 8 * OPEN + 8 + 16);

impl PendingQueries {
    /// No question.
    pub const fn new() -> Self {
        Self {
            words: [const { Cell::new(0) }; OPEN],
            next: Cell::new(0),
            server: [const { Cell::new(0) }; 2],
        }
    }

    /// Notes the DNS server that the socket connects or sends to, by the halves of its address; zeros for none.
    #[inline(always)]
    pub fn set_server(&self, [high, low]: [u64; 2]) {
        self.server[0].set(high);
        self.server[1].set(low);
    }

    /// The halves of that server's address.
    #[inline(always)]
    pub fn server(&self) -> Option<[u64; 2]> {
        let halves = [self.server[0].get(), self.server[1].get()];
        (halves[0] | halves[1] != 0).then_some(halves)
    }

    /// Adds a question.
    #[inline(always)]
    pub fn add(&self, word: u64) {
        let next = self.next.get() as usize % OPEN;
        self.words[next].set(word);
        self.next.set(next.wrapping_add(1) as u64);
    }

    /// Takes a question out, whether it was there. One that was asked twice is there twice.
    #[inline(always)]
    pub fn take(&self, word: u64) -> bool {
        let found = self
            .words
            .iter()
            .find(|open| word != 0 && open.get() == word);
        if let Some(open) = found {
            open.set(0);
        }
        found.is_some()
    }
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
    fn a_question_is_answered_as_often_as_it_was_asked() {
        let asked = PendingQueries::new();
        assert!(!asked.take(5));
        asked.add(5);
        asked.add(6);
        asked.add(5);
        assert!(!asked.take(7));
        assert_eq!(
            [asked.take(5), asked.take(5), asked.take(5)],
            [true, true, false]
        );
        assert!(asked.take(6));
        assert!(!asked.take(0), "an empty place is no question");
    }

    #[test]
    fn the_last_server_counts_and_zeros_are_none() {
        let asked = PendingQueries::new();
        assert_eq!(asked.server(), None);
        asked.set_server([0, 7]);
        asked.set_server([6, 0]);
        assert_eq!(asked.server(), Some([6, 0]));
        asked.set_server([0; 2]);
        assert_eq!(asked.server(), None);
    }

    #[test]
    fn the_oldest_of_too_many_questions_goes() {
        let asked = PendingQueries::new();
        for word in 1..=33 {
            asked.add(word);
        }
        assert!(!asked.take(1));
        assert!((2..=33).all(|word| asked.take(word)));
    }
}
