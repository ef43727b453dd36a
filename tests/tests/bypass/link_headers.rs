//! What stands between an Ethernet address and an IP header.

pub(crate) use lab::topology::bridged_container::Mac;
use test_data::client_hello::length_prefixed;

/// EtherTypes (IANA).
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;
const PPPOE_SESSION: u16 = 0x8864;
const MPLS: u16 = 0x8847;
/// A pseudo type of packet sockets: the field becomes the frame's length (packet(7), `ETH_P_802_2`).
const LENGTH: u16 = 4;

/// How a frame carries an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkHeader {
    Plain,
    Vlan,
    ServiceVlan,
    QInQ,
    ThreeVlans,
    Pppoe,
    PppoeInVlan,
    Mpls,
    TwoMplsLabels,
    LlcSnap,
    LlcSnapInVlan,
}

impl LinkHeader {
    pub(crate) const ALL: [Self; 11] = [
        Self::Plain,
        Self::Vlan,
        Self::ServiceVlan,
        Self::QInQ,
        Self::ThreeVlans,
        Self::Pppoe,
        Self::PppoeInVlan,
        Self::Mpls,
        Self::TwoMplsLabels,
        Self::LlcSnap,
        Self::LlcSnapInVlan,
    ];

    /// Returns the protocol of a packet socket for such a frame, and what follows the EtherType.
    pub(crate) fn payload(self, packet: &[u8]) -> (u16, Vec<u8>) {
        let ip = ether_type(packet);
        match self {
            Self::Plain => (ip, packet.to_vec()),
            Self::Vlan => (VLAN, tagged(ip, packet)),
            Self::ServiceVlan => (SERVICE_VLAN, tagged(ip, packet)),
            Self::QInQ => (SERVICE_VLAN, tagged(VLAN, &tagged(ip, packet))),
            Self::ThreeVlans => (VLAN, tagged(VLAN, &tagged(VLAN, &tagged(ip, packet)))),
            Self::Pppoe => (PPPOE_SESSION, pppoe(packet)),
            Self::PppoeInVlan => (VLAN, tagged(PPPOE_SESSION, &pppoe(packet))),
            Self::Mpls => (MPLS, label(true, packet)),
            Self::TwoMplsLabels => (MPLS, label(false, &label(true, packet))),
            Self::LlcSnap => (LENGTH, llc_snap(packet)),
            Self::LlcSnapInVlan => {
                let inside = llc_snap(packet);
                (VLAN, tagged(length(&inside), &inside))
            }
        }
    }

    /// Returns the whole frame.
    pub(crate) fn frame(self, to: Mac, from: Mac, packet: &[u8]) -> Vec<u8> {
        let (protocol, payload) = self.payload(packet);
        let field = if protocol == LENGTH {
            length(&payload)
        } else {
            protocol
        };
        ethernet(to, from, field, &payload)
    }
}

/// Returns an Ethernet frame.
pub(crate) fn ethernet(to: Mac, from: Mac, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&to, &from, &ether_type.to_be_bytes()[..], payload].concat()
}

/// Returns the EtherType of an IP packet.
pub(crate) fn ether_type(packet: &[u8]) -> u16 {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => IPV4,
        _six => IPV6,
    }
}

/// Tag control information and the next type (IEEE 802.1Q).
fn tagged(next: u16, payload: &[u8]) -> Vec<u8> {
    [&[0, 42], &next.to_be_bytes(), payload].concat()
}

/// A PPPoE session (RFC 2516) and the PPP protocol (RFC 1332, RFC 5072).
fn pppoe(packet: &[u8]) -> Vec<u8> {
    let protocol: u16 = if ether_type(packet) == IPV4 {
        0x0021
    } else {
        0x0057
    };
    let ppp = [&protocol.to_be_bytes(), packet].concat();
    [&[0x11, 0, 0, 2], &length_prefixed(2, &ppp)[..]].concat()
}

/// A label stack entry (RFC 3032): label 100, a time to live of 64, and whether it is the last one.
fn label(is_last: bool, packet: &[u8]) -> Vec<u8> {
    [&[0, 6, 0x40 | u8::from(is_last), 64], packet].concat()
}

/// LLC and SNAP headers (RFC 1042).
fn llc_snap(packet: &[u8]) -> Vec<u8> {
    let kind = ether_type(packet).to_be_bytes();
    [&[0xaa, 0xaa, 3, 0, 0, 0], &kind[..], packet].concat()
}

fn length(payload: &[u8]) -> u16 {
    u16::try_from(payload.len()).unwrap_or(u16::MAX)
}
