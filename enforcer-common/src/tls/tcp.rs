//! TCP headers, as far as the TLS check reads them.

use crate::packet::Bytes;

/// Flags of a TCP header (RFC 9293 section 3.1).
const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
const RST: u8 = 0x04;
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

    /// Whether it has the SYN flag.
    #[inline(always)]
    pub const fn has_syn(self) -> bool {
        self.flags & SYN != 0
    }

    /// Whether it ends a connection.
    #[inline(always)]
    pub const fn closes(self) -> bool {
        self.flags & (FIN | RST) != 0
    }
}

/// The server's port of the connections whose ClientHello is checked.
const HTTPS: u16 = 443;

/// A segment from a server to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpReply {
    /// The client's port.
    pub port: u16,
    /// The sequence number.
    pub sequence: u32,
    /// The acknowledgement number; meaningless without the ACK flag.
    pub acknowledged: u32,
    flags: u8,
}

impl TcpReply {
    /// Parses the header at `at`; `None` if the packet ends before it, or if it does not come from port 443.
    #[inline(always)]
    pub fn read(packet: &impl Bytes, at: u32) -> Option<Self> {
        let ports: [u8; 4] = packet.at(at)?;
        if u16::from_be_bytes([ports[0], ports[1]]) != HTTPS {
            return None;
        }
        let header: [u8; 10] = packet.at(at.wrapping_add(4))?;
        let [e, f, g, h, a, b, c, d, _, flags] = header;
        Some(Self {
            port: u16::from_be_bytes([ports[2], ports[3]]),
            sequence: u32::from_be_bytes([e, f, g, h]),
            acknowledged: u32::from_be_bytes([a, b, c, d]),
            flags,
        })
    }

    /// Whether it answers a SYN.
    #[inline(always)]
    pub const fn opens(self) -> bool {
        self.flags & (SYN | ACK) == SYN | ACK
    }

    /// The acknowledgement number, if it has one.
    #[inline(always)]
    pub const fn acknowledges(self) -> Option<u32> {
        if self.flags & ACK == 0 {
            return None;
        }
        Some(self.acknowledged)
    }

    /// Whether it resets the connection.
    #[inline(always)]
    pub const fn resets(self) -> bool {
        self.flags & RST != 0
    }
}
