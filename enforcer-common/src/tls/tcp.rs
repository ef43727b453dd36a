//! TCP headers, as far as the TLS check reads them.

use crate::packet::Bytes;

/// Flags of a TCP header (RFC 9293 section 3.1).
pub(super) const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
pub(super) const URG: u8 = 0x20;
/// Length of a header without options, in bytes.
const MIN_HEADER: u32 = 20;

/// Header fields of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSegment {
    /// The sequence number.
    pub sequence: u32,
    /// The flags, byte 13 of the header.
    pub flags: u8,
    /// Packet offset of the payload.
    pub at: u32,
    /// Length of the payload, in bytes.
    pub len: u32,
}

impl TcpSegment {
    /// Parses the header at `at` of a packet of `len` bytes; `None` if the packet ends before the header.
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

    /// Whether it begins a connection: SYN without ACK.
    #[inline(always)]
    pub const fn opens(self) -> bool {
        self.flags & (SYN | ACK) == SYN
    }
}
