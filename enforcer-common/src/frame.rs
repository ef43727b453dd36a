//! Finds the IP header of a frame at a network device.

use crate::layout::LinkHeader;
use crate::packet::Bytes;

/// Length of an Ethernet header, in bytes.
const ETHERNET_LEN: u32 = 14;
/// Maximum number of headers between the Ethernet header and the IP header; an MPLS label is one.
pub const MAX_LINK_HEADERS: u32 = 10;
/// Smallest Ethernet type; a smaller number is the length of an LLC frame (IEEE 802.3 section 3.2.6).
const MIN_TYPE: u16 = 0x0600;

/// Ethernet types (IEEE 802).
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;
/// QinQ of devices from before IEEE 802.1ad.
const OLD_SERVICE_VLAN: u16 = 0x9100;
const OLD_SERVICE_VLAN_2: u16 = 0x9200;
const OLD_SERVICE_VLAN_3: u16 = 0x9300;
const PPPOE_SESSION: u16 = 0x8864;
const MPLS: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;

/// PPP protocols (IANA).
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
const PPP_MPLS: u16 = 0x0281;
/// First PPP protocol that configures the link (RFC 1661 section 2) instead of carrying packets.
const PPP_CONTROL: u16 = 0x8000;

/// LLC service access points: SNAP, and IP (RFC 1042).
const SNAP: u8 = 0xaa;
const LLC_IP: u8 = 0x06;
/// LLC control field: unnumbered information.
const UNNUMBERED: u8 = 0x03;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// An IP packet, whose header is at this offset.
    Ip(u32),
    /// Another protocol.
    Other,
    /// An encapsulation that could not be followed to its end.
    Unreadable,
}

/// Position among the headers of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkCursor {
    /// Ethernet type of what is at `at`.
    pub protocol: u16,
    /// Offset in the frame.
    pub at: u32,
}

/// Position after a header, or what the frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A further header.
    Next(LinkCursor),
    /// The last header.
    End(Contents),
}

impl LinkCursor {
    /// The position after the link header of a frame; `None` if that cannot be read. `protocol` is the kernel's, which counts only where there is no link
    /// header: a packet socket chooses it freely, so the packet has to agree.
    #[inline(always)]
    pub fn start(frame: &impl Bytes, header: LinkHeader, protocol: u16) -> Option<Self> {
        match header {
            LinkHeader::Ethernet => Some(Self {
                protocol: u16::from_be_bytes(frame.at(ETHERNET_LEN - 2)?),
                at: ETHERNET_LEN,
            }),
            LinkHeader::None => {
                let is_known = matches!(protocol, IPV4 | IPV6 | MPLS | MPLS_MULTICAST);
                is_known.then_some(Self { protocol, at: 0 })
            }
        }
    }

    /// Follows one header.
    #[inline(always)]
    pub fn step(self, frame: &impl Bytes) -> Step {
        match self.protocol {
            IPV4 => self.ip(frame, 4),
            IPV6 => self.ip(frame, 6),
            VLAN | SERVICE_VLAN | OLD_SERVICE_VLAN | OLD_SERVICE_VLAN_2 | OLD_SERVICE_VLAN_3 => {
                match frame.at(self.at.wrapping_add(2)) {
                    Some(protocol) => self.next(u16::from_be_bytes(protocol), 4),
                    None => UNREADABLE,
                }
            }
            MPLS | MPLS_MULTICAST => self.label(frame),
            PPPOE_SESSION => self.ppp(frame),
            0..MIN_TYPE => self.llc(frame),
            _ => Step::End(Contents::Other),
        }
    }

    /// The IP header, if it has this version.
    #[inline(always)]
    fn ip(self, frame: &impl Bytes, version: u8) -> Step {
        match frame.at::<1>(self.at) {
            Some([first]) if first >> 4 == version => Step::End(Contents::Ip(self.at)),
            _ => UNREADABLE,
        }
    }

    #[inline(always)]
    fn next(self, protocol: u16, len: u32) -> Step {
        Step::Next(Self {
            protocol,
            at: self.at.wrapping_add(len),
        })
    }

    /// Follows an MPLS label (RFC 3032). After the last one, only the first four bits tell what follows.
    #[inline(always)]
    fn label(self, frame: &impl Bytes) -> Step {
        let Some([_, _, bottom, _, first]) = frame.at::<5>(self.at) else {
            return UNREADABLE;
        };
        if bottom & 1 == 0 {
            return self.next(self.protocol, 4);
        }
        match first >> 4 {
            4 => self.next(IPV4, 4),
            6 => self.next(IPV6, 4),
            _ => UNREADABLE,
        }
    }

    /// Follows a PPPoE header (RFC 2516) and the PPP protocol, which may be compressed to one byte (RFC 1661 section 6.5).
    #[inline(always)]
    fn ppp(self, frame: &impl Bytes) -> Step {
        let Some([first, second]) = frame.at::<2>(self.at.wrapping_add(6)) else {
            return UNREADABLE;
        };
        let (protocol, len) = if first & 1 == 1 {
            (u16::from(first), 7)
        } else {
            (u16::from_be_bytes([first, second]), 8)
        };
        match protocol {
            PPP_IPV4 => self.next(IPV4, len),
            PPP_IPV6 => self.next(IPV6, len),
            PPP_MPLS => self.next(MPLS, len),
            PPP_CONTROL.. => Step::End(Contents::Other),
            _ => UNREADABLE,
        }
    }

    /// Follows an LLC header, with SNAP (IEEE 802) or without.
    #[inline(always)]
    fn llc(self, frame: &impl Bytes) -> Step {
        let Some([destination, source, control]) = frame.at::<3>(self.at) else {
            return UNREADABLE;
        };
        match (destination, source, control) {
            (LLC_IP, LLC_IP, UNNUMBERED) => self.next(IPV4, 3),
            (SNAP, SNAP, UNNUMBERED) => match frame.at(self.at.wrapping_add(6)) {
                Some(protocol) => match u16::from_be_bytes(protocol) {
                    0..MIN_TYPE => Step::End(Contents::Other),
                    protocol => self.next(protocol, 8),
                },
                None => UNREADABLE,
            },
            _ => Step::End(Contents::Other),
        }
    }
}

const UNREADABLE: Step = Step::End(Contents::Unreadable);

/// What a frame carries. The kernel program follows the same steps.
pub fn contents(frame: &impl Bytes, header: LinkHeader, protocol: u16) -> Contents {
    let Some(mut cursor) = LinkCursor::start(frame, header, protocol) else {
        return Contents::Unreadable;
    };
    for _ in 0..MAX_LINK_HEADERS {
        match cursor.step(frame) {
            Step::Next(next) => cursor = next,
            Step::End(contents) => return contents,
        }
    }
    Contents::Unreadable
}

#[cfg(test)]
mod tests;
