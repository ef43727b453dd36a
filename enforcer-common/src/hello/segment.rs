//! The payload of a TCP segment, as it is read.

use super::reader::{Desk, MAX_TOKENS, Read, Want};
use super::sent::Sent;
use crate::reason::Reason;

/// The payload of a segment, where it lies in its packet.
pub trait Segment {
    /// `len` bytes, 1 to 8, at `offset`, the first one lowest and the rest zero; `None` past the end.
    fn word(&self, offset: u32, len: u32) -> Option<u64>;

    /// Lays `len` bytes from `at` on down from `offset` on, where there has to be room; `None` past the end.
    #[inline(always)]
    fn load(&self, sent: &mut Sent, offset: u32, at: u32, len: u32) -> Option<()> {
        for byte in 0..len {
            let word = self.word(at.wrapping_add(byte), 1)?;
            sent.set(offset.wrapping_add(byte), word as u8);
        }
        Some(())
    }

    /// As [`Sent::has`]; `None` where there is no room to find out.
    #[inline(always)]
    fn is_again(&self, sent: &Sent, from: u32, to: u32) -> Option<bool> {
        Some(sent.has(from, to))
    }

    /// Whether it is to leave later than at once.
    #[inline(always)]
    fn is_held_back(&self) -> bool {
        false
    }

    /// Reads `len` bytes from `at` on. The kernel programs have their own way, whose parts the verifier looks at once.
    ///
    /// # Errors
    /// With the reason to deny the hello for.
    #[inline(always)]
    fn follow(&self, desk: &mut Desk, at: u32, len: u32) -> Result<Read, Reason> {
        desk.begin(at, len);
        for _ in 0..MAX_TOKENS {
            match desk.reading.want() {
                Want::Word(at, len) => {
                    let word = self.word(at, len).ok_or(Reason::HelloUnreadable)?;
                    desk.take_in(word)?;
                }
                Want::End(read) => return Ok(read),
                Want::Denied(reason) => return Err(reason),
            }
        }
        Err(Reason::HelloUnreadable)
    }
}
