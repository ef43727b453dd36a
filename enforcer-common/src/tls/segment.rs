//! Access to the payload of a TCP segment.

use super::client_hello::{Demand, MAX_FIELDS, ParserScratch, Progress};
use super::retransmit::SentBytes;
use crate::reason::Reason;

/// Bytes of a segment that are new to its connection.
#[derive(Clone, Copy)]
pub struct NewBytes<'a> {
    /// What is recorded of the connection, these bytes included, as far as there is room.
    pub sent: &'a SentBytes,
    /// Offset of the first one in the stream.
    pub from: u32,
    /// The same in the packet.
    pub at: u32,
    /// Their number.
    pub len: u32,
}

impl NewBytes<'_> {
    /// Returns `len` of these bytes, 1 to 8, at packet offset `at`, as they were recorded: the process may have changed those of the packet since.
    #[inline(always)]
    pub fn word(&self, segment: &impl Segment, at: u32, len: u32) -> Option<u64> {
        let offset = self.from.wrapping_add(at.wrapping_sub(self.at));
        match self.sent.word(offset, len) {
            Some(word) => Some(word),
            None => segment.word(at, len),
        }
    }
}

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

    /// Parses the new bytes. The kernel programs override this with functions that the verifier checks once each.
    ///
    /// # Errors
    /// The reason to deny the ClientHello for.
    #[inline(always)]
    fn parse(&self, parser: &mut ParserScratch, new: NewBytes<'_>) -> Result<Progress, Reason>
    where
        Self: Sized,
    {
        parser.begin(new.at, new.len);
        for _ in 0..MAX_FIELDS {
            match parser.state.demand() {
                Demand::Word(at, len) => {
                    let word = new.word(self, at, len).ok_or(Reason::HelloUnreadable)?;
                    parser.feed(word)?;
                }
                Demand::End(progress) => return Ok(progress),
                Demand::Denied(reason) => return Err(reason),
            }
        }
        Err(Reason::HelloUnreadable)
    }
}
