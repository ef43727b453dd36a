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
