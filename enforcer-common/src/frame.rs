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
mod tests {
    use super::*;

    /// A frame as its bytes.
    struct Frame(Vec<u8>);

    impl Bytes for Frame {
        fn fixed<const AT: usize, const N: usize>(&self) -> Option<[u8; N]> {
            self.0.get(AT..)?.first_chunk().copied()
        }

        fn at<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
            self.0.get(offset as usize..)?.first_chunk().copied()
        }
    }

    /// What an Ethernet frame with these bytes after its addresses carries.
    fn ethernet(rest: &[u8]) -> Contents {
        let frame = Frame([&[0; 12], rest].concat());
        contents(&frame, LinkHeader::Ethernet, 0)
    }

    const TAG: [u8; 4] = [0x81, 0x00, 0x00, 0x07];
    const SERVICE_TAG: [u8; 4] = [0x88, 0xa8, 0x00, 0x09];
    const PPPOE: [u8; 8] = [0x88, 0x64, 0x11, 0x00, 0x00, 0x01, 0x00, 0x2a];

    #[test]
    fn the_ip_header_is_found_behind_every_encapsulation() {
        let ipv4 = [0x08, 0x00, 0x45];
        let ipv6 = [0x86, 0xdd, 0x60];
        let label = [0, 0, 0x10, 64];
        let last = [0, 0, 0x11, 64];
        let mpls = [0x88, 0x47];
        let snap = [0x00, 0x30, 0xaa, 0xaa, 0x03, 0, 0, 0];
        for (frame, offset) in [
            (ipv4.to_vec(), 14),
            (ipv6.to_vec(), 14),
            ([&TAG[..], &ipv4].concat(), 18),
            ([&SERVICE_TAG[..], &TAG, &ipv6].concat(), 22),
            ([&[0x91, 0x00, 0, 1][..], &ipv4].concat(), 18),
            ([&[0x92, 0x00, 0, 1][..], &ipv6].concat(), 18),
            ([&[0x93, 0x00, 0, 1][..], &ipv4].concat(), 18),
            ([&PPPOE[..], &[0x00, 0x21, 0x45]].concat(), 22),
            ([&PPPOE[..], &[0x21, 0x45]].concat(), 21),
            ([&TAG[..], &PPPOE, &[0x00, 0x57, 0x60]].concat(), 26),
            ([&mpls[..], &label, &last, &[0x45]].concat(), 22),
            ([&mpls[..], &last, &[0x60]].concat(), 18),
            ([&PPPOE[..], &[0x02, 0x81], &last, &[0x45]].concat(), 26),
            ([&snap[..], &ipv4].concat(), 22),
            (vec![0x00, 0x30, 0x06, 0x06, 0x03, 0x45], 17),
        ] {
            assert_eq!(ethernet(&frame), Contents::Ip(offset), "{frame:02x?}");
        }
    }

    #[test]
    fn other_protocols_pass_tagged_or_not() {
        let spanning_tree = [0x00, 0x26, 0x42, 0x42, 0x03, 0, 0, 0, 0, 0, 0];
        let discovery = [0x00, 0x30, 0xaa, 0xaa, 0x03, 0, 0, 0x0c, 0x20, 0x00];
        for frame in [
            vec![0x08, 0x06],
            vec![0x88, 0x92],
            vec![0x88, 0xf7],
            [&TAG[..], &[0x88, 0x92]].concat(),
            [&PPPOE[..], &[0xc0, 0x21]].concat(),
            spanning_tree.to_vec(),
        ] {
            assert_eq!(ethernet(&frame), Contents::Other, "{frame:02x?}");
        }
        assert_eq!(ethernet(&discovery), Contents::Other);
    }

    #[test]
    fn an_encapsulation_without_an_end_is_unreadable() {
        let tags = TAG.repeat(MAX_LINK_HEADERS as usize);
        for frame in [
            vec![0x81],
            vec![0x08, 0x00, 0x60],
            vec![0x86, 0xdd, 0x45],
            vec![0x81, 0x00, 0x00],
            [&tags[..], &[0x08, 0x00, 0x45]].concat(),
            vec![0x88, 0x47, 0, 0, 0x11, 64],
            vec![0x88, 0x47, 0, 0, 0x11, 64, 0x00],
            [&PPPOE[..], &[0x00, 0x2d]].concat(),
            vec![0x88, 0x64, 0x11],
            vec![0x00, 0x30, 0xaa],
        ] {
            assert_eq!(ethernet(&frame), Contents::Unreadable, "{frame:02x?}");
        }
    }

    #[test]
    fn without_a_link_header_bytes_and_protocol_must_agree() {
        const ARP: u16 = 0x0806;
        for (first, protocol, carried) in [
            (0x45, IPV4, Contents::Ip(0)),
            (0x60, IPV6, Contents::Ip(0)),
            (0x45, IPV6, Contents::Unreadable),
            (0x60, IPV4, Contents::Unreadable),
            (0x45, ARP, Contents::Unreadable),
            (0x00, ARP, Contents::Unreadable),
            (0x45, 0, Contents::Unreadable),
        ] {
            let frame = Frame(vec![first]);
            assert_eq!(contents(&frame, LinkHeader::None, protocol), carried);
        }
        let label = Frame(vec![0, 0, 0x11, 64, 0x45]);
        assert_eq!(contents(&label, LinkHeader::None, MPLS), Contents::Ip(4));
    }
}
