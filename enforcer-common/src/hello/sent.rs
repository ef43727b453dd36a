//! The bytes of a hello as they were judged. Some ways of sending take them from memory that the process can still change, and the kernel
//! takes them from there again whenever it sends them again.

/// How many bytes are kept: more than the hellos of clients have, post-quantum ones with a session ticket or with another hello behind them,
/// too. With what else is kept of a connection, they fill 8 KiB.
pub const KEPT: u32 = 3072;
const KEPT_WORDS: usize = KEPT as usize / 8;
/// Words behind them, for bytes that are held against them: a power of two, for the verifier's sake, and more than are kept, as those bytes
/// begin with one of the first word.
const BESIDE_WORDS: usize = 512;

/// The first bytes of a connection's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Sent([u64; KEPT_WORDS + BESIDE_WORDS]);

const _: () = assert!(KEPT_WORDS < BESIDE_WORDS);

impl Sent {
    /// No bytes.
    pub const EMPTY: Self = Self([0; KEPT_WORDS + BESIDE_WORDS]);
    /// The last offset from which on as many bytes as are kept can be laid down.
    pub const LAST: u32 = KEPT + 7;

    /// Where to lay down bytes that are to be held against those from `from` on.
    #[inline(always)]
    pub const fn beside(from: u32) -> u32 {
        KEPT + (from & 7)
    }

    /// Where the bytes lie.
    #[inline(always)]
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

    /// Whether the bytes from `from` to before `to`, more than none, are those that were laid down beside them.
    #[inline(always)]
    pub fn has(&self, from: u32, to: u32) -> bool {
        let first = (from / 8) as usize;
        let last = (to.wrapping_sub(1) / 8) as usize;
        let mut mask = u64::MAX << ((from & 7) * 8);
        let mut differs = 0;
        for word in 0..KEPT_WORDS {
            let at = first.wrapping_add(word);
            if at >= last {
                break;
            }
            differs |= self.difference(at, word) & mask;
            mask = u64::MAX;
        }
        // To the last byte: none are left out of eight, or up to seven.
        let left_out = to.wrapping_neg() & 7;
        mask &= u64::MAX >> (left_out * 8);
        differs |= self.difference(last, last.wrapping_sub(first)) & mask;
        differs == 0
    }

    #[inline(always)]
    fn difference(&self, kept: usize, beside: usize) -> u64 {
        const MASK: usize = BESIDE_WORDS - 1;
        self.0[kept & MASK] ^ self.0[KEPT_WORDS + (beside & MASK)]
    }
}
