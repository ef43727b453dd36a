//! What a socket asked and has no answer to yet.

use core::cell::Cell;

/// Questions that a socket may have open; the oldest goes first.
const OPEN: usize = 32;

/// The open questions of a socket, as [`super::Question::word`]s. All zero holds none.
///
/// Nothing is locked: a question that is lost where two threads ask at once is one whose answer opens nothing.
#[derive(Debug)]
#[repr(C)]
pub struct Asked {
    words: [Cell<u64>; OPEN],
    next: Cell<u64>,
}

const _: () = assert!(size_of::<Asked>() == 8 * OPEN + 8);

impl Asked {
    /// No question.
    pub const fn new() -> Self {
        Self {
            words: [const { Cell::new(0) }; OPEN],
            next: Cell::new(0),
        }
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

impl Default for Asked {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_as_often_as_it_was_asked() {
        let asked = Asked::new();
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
    fn the_oldest_of_too_many_questions_goes() {
        let asked = Asked::new();
        for word in 1..=33 {
            asked.add(word);
        }
        assert!(!asked.take(1));
        assert!((2..=33).all(|word| asked.take(word)));
    }
}
