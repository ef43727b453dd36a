//! A TCP segment that consists only of its payload.

use enforcer_common::tls::{Segment, TcpSegment};

/// The offset of the payload in the packet.
pub(crate) const AT: u32 = 52;

pub(crate) struct Payload<'a>(pub(crate) &'a [u8]);

impl Payload<'_> {
    /// Returns the TCP header.
    pub(crate) fn tcp(&self, sequence: u32, flags: u8) -> TcpSegment {
        TcpSegment {
            sequence,
            flags,
            at: AT,
            len: self.0.len() as u32,
        }
    }
}

impl Segment for Payload<'_> {
    fn word(&self, offset: u32, len: u32) -> Option<u64> {
        let from = offset.checked_sub(AT)? as usize;
        let bytes = self.0.get(from..from.checked_add(len as usize)?)?;
        let mut word = [0; 8];
        word.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(u64::from_le_bytes(word))
    }
}
