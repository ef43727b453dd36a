//! Access to the payload of a TCP segment.

use super::client_hello::{Demand, MAX_FIELDS, ParserScratch, Progress};
use super::retransmit::SentBytes;
use crate::reason::Reason;

/// Payload of a segment, by offsets in its packet.
pub trait Segment {
    /// `len` bytes, 1 to 8, at `offset`, the first one lowest and the rest zero; `None` past the end.
    fn word(&self, offset: u32, len: u32) -> Option<u64>;

    /// Copies `len` bytes from packet offset `at` to `sent[offset..]`, which has room for them; `None` past the end.
    #[inline(always)]
    fn load(&self, sent: &mut SentBytes, offset: u32, at: u32, len: u32) -> Option<()> {
        for byte in 0..len {
            let word = self.word(at.wrapping_add(byte), 1)?;
            sent.set(offset.wrapping_add(byte), word as u8);
        }
        Some(())
    }

    /// [`SentBytes::matches`]; `None` if there is no memory for the comparison.
    #[inline(always)]
    fn matches_retransmission(&self, sent: &SentBytes, from: u32, to: u32) -> Option<bool> {
        Some(sent.matches(from, to))
    }

    /// Whether the packet has a departure time in the future (`SO_MAX_PACING_RATE`, `TCP_TX_DELAY`): its bytes could change until then.
    #[inline(always)]
    fn has_future_departure(&self) -> bool {
        false
    }

    /// Parses `len` bytes from packet offset `at` on. The kernel programs override this with functions that the verifier checks once each.
    ///
    /// # Errors
    /// The reason to deny the ClientHello for.
    #[inline(always)]
    fn parse(&self, parser: &mut ParserScratch, at: u32, len: u32) -> Result<Progress, Reason> {
        parser.begin(at, len);
        for _ in 0..MAX_FIELDS {
            match parser.state.demand() {
                Demand::Word(at, len) => {
                    let word = self.word(at, len).ok_or(Reason::HelloUnreadable)?;
                    parser.feed(word)?;
                }
                Demand::End(progress) => return Ok(progress),
                Demand::Denied(reason) => return Err(reason),
            }
        }
        Err(Reason::HelloUnreadable)
    }
}
