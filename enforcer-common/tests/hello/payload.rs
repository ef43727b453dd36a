//! The payload of a segment, in a packet that is not there.

use enforcer_common::hello::{Segment, Tcp};

/// Where the payload is in each packet.
pub(crate) const AT: u32 = 52;

pub(crate) struct Payload<'a>(pub(crate) &'a [u8]);

impl Payload<'_> {
    /// The header in front of it.
    pub(crate) fn tcp(&self, sequence: u32, flags: u8) -> Tcp {
        Tcp {
            sequence,
            flags,
            at: AT,
            len: self.0.len() as u32,
        }
    }
}

impl Segment for Payload<'_> {
    fn word(&self, offset: u32, len: u32) -> Option<u64> {
        let header = AT as usize;
        let from = offset as usize;
        let byte = |at: usize| match at.checked_sub(header) {
            Some(at) => self.0.get(at).copied(),
            None => Some(0xaa),
        };
        let mut word = [0; 8];
        for (place, at) in word.iter_mut().zip(from..from + len as usize) {
            *place = byte(at)?;
        }
        Some(u64::from_le_bytes(word))
    }
}
