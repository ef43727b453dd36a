//! What of a TCP segment counts.

use crate::packet::Bytes;

/// Flags of a TCP header (RFC 9293 section 3.1).
pub(super) const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
pub(super) const URG: u8 = 0x20;
/// Bytes of a header without options.
const MIN_HEADER: u32 = 20;

/// What of a TCP segment counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// The sequence number.
    pub sequence: u32,
    /// The flags, RFC 9293's byte 13.
    pub flags: u8,
    /// Where in the packet the payload begins.
    pub at: u32,
    /// Bytes of the payload.
    pub len: u32,
}

impl Tcp {
    /// Reads the header at `at` of a packet of `len` bytes; `None` where the packet ends before it does.
    #[inline(always)]
    pub fn read(packet: &impl Bytes, at: u32, len: u32) -> Option<Self> {
        let header: [u8; 10] = packet.at(at.wrapping_add(4))?;
        let [a, b, c, d, _, _, _, _, offset, flags] = header;
        let header = (u32::from(offset >> 4) * 4).max(MIN_HEADER);
        let at = at.wrapping_add(header);
        Some(Self {
            sequence: u32::from_be_bytes([a, b, c, d]),
            flags,
            at,
            len: len.saturating_sub(at),
        })
    }

    /// Whether it opens a connection, or repeats the opening.
    #[inline(always)]
    pub const fn opens(self) -> bool {
        self.flags & (SYN | ACK) == SYN
    }
}
