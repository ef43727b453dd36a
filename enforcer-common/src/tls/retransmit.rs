//! The inspected bytes of a connection, for comparison with its retransmissions. Some ways of sending let the process change the memory after the
//! check (MSG_ZEROCOPY, splice), and the kernel reads that memory again for each retransmission.

use core::hint::black_box;

/// Number of bytes recorded: more than a post-quantum ClientHello with a session ticket, or followed by a second ClientHello, has. With the rest
/// of the flow state they fill 8 KiB.
pub const RECORDED_BYTES: u32 = 3072;
const RECORDED_WORDS: usize = RECORDED_BYTES as usize / 8;
/// Words behind them, for the retransmitted bytes: a power of two for the verifier, and more than are recorded, since the first byte keeps its
/// position within a word.
const INCOMING_WORDS: usize = 512;

/// First bytes of a connection's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SentBytes([u64; RECORDED_WORDS + INCOMING_WORDS]);

const _: () = assert!(RECORDED_WORDS < INCOMING_WORDS);

impl SentBytes {
    /// No bytes.
    pub const EMPTY: Self = Self([0; RECORDED_WORDS + INCOMING_WORDS]);
    /// Last offset that has room for [`RECORDED_BYTES`] after it.
    pub const LAST: u32 = RECORDED_BYTES + 7;

    /// Offset at which to store bytes for comparison with those recorded from `from` on.
    #[inline(always)]
    pub const fn incoming(from: u32) -> u32 {
        RECORDED_BYTES + (from & 7)
    }

    /// Address of the first byte.
    #[inline(always)]
    pub const fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }

    /// Sets the byte at `offset`.
    pub fn set(&mut self, offset: u32, byte: u8) {
        let shift = (offset & 7) * 8;
        if let Some(word) = self.0.get_mut((offset / 8) as usize) {
            *word = (*word & !(0xff << shift)) | u64::from(byte) << shift;
        }
    }

    /// Returns `len` recorded bytes, 1 to 8, from `offset` on, the first one lowest and the rest zero; `None` unless there is room for all of them.
    #[inline(always)]
    pub fn word(&self, offset: u32, len: u32) -> Option<u64> {
        const MASK: usize = INCOMING_WORDS - 1;
        if offset >= RECORDED_BYTES || offset.wrapping_add(len) > RECORDED_BYTES {
            return None;
        }
        // The verifier knows the mask, but no bound of a copy that the compiler compared; `black_box` keeps the compiler from dropping the mask.
        let at = black_box(offset / 8) as usize & MASK;
        let shift = (offset & 7) * 8;
        let low = self.0[at] >> shift;
        // In two steps: no shift is as wide as a word.
        let high = self.0[at.wrapping_add(1)] << 1 << (63 ^ shift);
        let left_out = (len.wrapping_neg() & 7) * 8;
        Some((low | high) & (u64::MAX >> left_out))
    }

    /// Whether the recorded bytes `from..to`, at least one, equal the incoming ones.
    #[inline(always)]
    pub fn matches(&self, from: u32, to: u32) -> bool {
        let first = (from / 8) as usize;
        let last = (to.wrapping_sub(1) / 8) as usize;
        let mut mask = u64::MAX << ((from & 7) * 8);
        let mut differs = 0;
        for word in 0..RECORDED_WORDS {
            let at = first.wrapping_add(word);
            if at >= last {
                break;
            }
            differs |= self.difference(at, word) & mask;
            mask = u64::MAX;
        }
        // The last word counts up to byte `to` only.
        let left_out = to.wrapping_neg() & 7;
        mask &= u64::MAX >> (left_out * 8);
        differs |= self.difference(last, last.wrapping_sub(first)) & mask;
        differs == 0
    }

    #[inline(always)]
    fn difference(&self, recorded: usize, incoming: usize) -> u64 {
        const MASK: usize = INCOMING_WORDS - 1;
        self.0[recorded & MASK] ^ self.0[RECORDED_WORDS + (incoming & MASK)]
    }
}
