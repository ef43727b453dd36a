//! The bytes of a hello as they were judged. Some ways of sending take them from memory that the process can still change, and the kernel
//! takes them from there again whenever it sends them again.

const WORDS: usize = 512;
/// How many bytes are kept: more than clients' hellos have, post-quantum ones with a session ticket, too.
pub const KEPT: u32 = 8 * WORDS as u32;

/// Bytes of a connection's stream from a multiple of eight on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Sent([u64; WORDS]);

/// Where the payload of a segment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// In its packet.
    pub at: u32,
    /// How many bytes.
    pub len: u32,
    /// In the stream.
    pub offset: u32,
    /// How many bytes of the stream were sent before.
    pub taken: u32,
}

impl Span {
    /// What of it is kept: whole words of the stream, so that it may begin in the segment's header.
    #[inline(always)]
    pub const fn piece(self) -> Self {
        let lead = self.offset & 7;
        let len = if self.len < KEPT.wrapping_sub(self.offset) {
            self.len
        } else {
            KEPT.wrapping_sub(self.offset)
        };
        Self {
            at: self.at.wrapping_sub(lead),
            len: len.wrapping_add(lead),
            offset: self.offset.wrapping_sub(lead),
            taken: self.taken,
        }
    }

    /// Where in the stream that begins, where what was not sent before begins in it, and where it ends.
    #[inline(always)]
    pub fn kept(self) -> [u32; 3] {
        let piece = self.piece();
        let [from, to] = [self.offset, piece.offset.wrapping_add(piece.len)];
        let known = self.taken.max(from);
        [from, if known > to { to } else { known }, to]
    }

    /// Whether nothing of it is kept.
    #[inline(always)]
    pub const fn is_past(self) -> bool {
        self.len == 0 || self.offset >= KEPT
    }

    /// Whether some of it was sent before and is not kept.
    #[inline(always)]
    pub const fn is_forgotten(self) -> bool {
        let end = self.offset.wrapping_add(self.len);
        self.taken > KEPT && end > KEPT && self.offset < self.taken
    }
}

impl Sent {
    /// No bytes.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Where the bytes lie.
    pub const fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }

    /// Puts in the word at `index`.
    pub fn set(&mut self, index: usize, word: u64) {
        if let Some(place) = self.0.get_mut(index) {
            *place = word;
        }
    }

    /// Whether the bytes of `piece`, which lies at `base` in the stream, are the same from `from` to `to`.
    #[inline(always)]
    pub fn has(&self, piece: &Self, base: u32, from: u32, to: u32) -> bool {
        each_word(from, to, |word, mask| {
            let [ours, theirs] = [self.0[word & MASK], piece.0[at(word, base)]];
            (ours ^ theirs) & mask == 0
        })
    }

    /// Keeps these bytes of `piece`.
    #[inline(always)]
    pub fn keep(&mut self, piece: &Self, base: u32, from: u32, to: u32) {
        each_word(from, to, |word, mask| {
            let new = piece.0[at(word, base)];
            let place = &mut self.0[word & MASK];
            *place = (*place & !mask) | (new & mask);
            true
        });
    }
}

const MASK: usize = WORDS - 1;

#[inline(always)]
const fn at(word: usize, base: u32) -> usize {
    word.wrapping_sub(base as usize / 8) & MASK
}

/// Looks at the words of the bytes from `from` to `to`, each with which of its bits these are, until one is not as it should be.
#[inline(always)]
fn each_word(from: u32, to: u32, mut look: impl FnMut(usize, u64) -> bool) -> bool {
    if from >= to {
        return true;
    }
    let last = (to.wrapping_sub(1) / 8) as usize;
    let mut word = (from / 8) as usize;
    let mut mask = u64::MAX << ((from & 7) * 8);
    for _ in 0..WORDS {
        if word >= last {
            break;
        }
        if !look(word, mask) {
            return false;
        }
        mask = u64::MAX;
        word = word.wrapping_add(1);
    }
    // To the last byte: none are left out of eight, and up to seven otherwise.
    let left_out = to.wrapping_neg() & 7;
    look(last, mask & (u64::MAX >> (left_out * 8)))
}
