//! The bytes of a hello as they were judged. Some ways of sending take them from memory that the process can still change, and the kernel
//! takes them from there again whenever it sends them again.

/// How many bytes are kept: more than clients' hellos have, post-quantum ones with a session ticket, too.
pub const KEPT: u32 = 2048;
const KEPT_WORDS: usize = KEPT as usize / 8;
/// Room behind them: so many bytes, laid down from any of these on, end within.
const WORDS: usize = 2 * KEPT_WORDS;

/// The first bytes of a connection's stream, or others from a multiple of eight on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Sent([u64; WORDS]);

/// What of a segment is kept, or held against what was kept before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where its payload is in the packet.
    pub at: u32,
    /// Where that is in the stream.
    pub offset: u32,
    /// How many of its bytes were kept when they were sent before.
    pub again: u32,
    /// How many of its bytes behind those that were sent before are to be kept.
    pub keep: u32,
    /// How many were sent before.
    pub known: u32,
}

impl Span {
    /// How many bytes before its payload the word of the stream begins in which that begins.
    #[inline(always)]
    pub const fn lead(self) -> u32 {
        self.offset & 7
    }
}

impl Sent {
    /// No bytes.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Where the bytes lie.
    pub const fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }

    /// Puts in the byte at `offset`.
    pub fn set(&mut self, offset: u32, byte: u8) {
        let shift = (offset & 7) * 8;
        if let Some(place) = self.0.get_mut((offset / 8) as usize) {
            *place = (*place & !(0xff << shift)) | u64::from(byte) << shift;
        }
    }

    /// Whether `piece`, which begins with the word that has byte `from`, has the same bytes to before `to`.
    #[inline(always)]
    pub fn has(&self, piece: &Self, from: u32, to: u32) -> bool {
        if from >= to {
            return true;
        }
        let first = (from / 8) as usize;
        let last = (to.wrapping_sub(1) / 8) as usize;
        let differ = |word: usize, mask: u64| {
            let [ours, theirs] = [
                self.0[word & MASK],
                piece.0[word.wrapping_sub(first) & MASK],
            ];
            (ours ^ theirs) & mask != 0
        };
        let mut word = first;
        let mut mask = u64::MAX << ((from & 7) * 8);
        for _ in 0..KEPT_WORDS {
            if word >= last {
                break;
            }
            if differ(word, mask) {
                return false;
            }
            mask = u64::MAX;
            word = word.wrapping_add(1);
        }
        // To the last byte: none are left out of eight, or up to seven.
        let left_out = to.wrapping_neg() & 7;
        !differ(last, mask & (u64::MAX >> (left_out * 8)))
    }
}

const MASK: usize = KEPT_WORDS - 1;
