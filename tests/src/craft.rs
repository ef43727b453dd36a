//! Packets byte by byte, for test runs of the loaded programs. Each begins with an Ethernet header, as
//! the kernel's test runs want it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Protocol numbers (IANA).
pub mod protocol {
    #![expect(missing_docs, reason = "their names are those of the registry")]
    pub const ICMP: u8 = 1;
    pub const IPIP: u8 = 4;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const IPV6: u8 = 41;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const GRE: u8 = 47;
    pub const ESP: u8 = 50;
    pub const ICMPV6: u8 = 58;
    pub const NO_NEXT_HEADER: u8 = 59;
    pub const DESTINATION_OPTIONS: u8 = 60;
    pub const SCTP: u8 = 132;
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// A packet in the making.
#[derive(Clone, Debug)]
pub struct Packet {
    destination: IpAddr,
    protocol: u8,
    fragment: u16,
    between: Vec<u8>,
    payload: Vec<u8>,
    cut: Option<usize>,
}

impl Packet {
    /// A packet of `protocol`, its payload twenty bytes that begin with a source port and `port`.
    #[must_use]
    pub fn new(destination: IpAddr, protocol: u8, port: u16) -> Self {
        let mut payload = vec![0x9c, 0x40];
        payload.extend(port.to_be_bytes());
        payload.resize(20, 0);
        Self {
            destination,
            protocol,
            fragment: 0,
            between: Vec::new(),
            payload,
            cut: None,
        }
    }

    /// The flags and the fragment offset of an IPv4 header.
    #[must_use]
    pub fn fragment(mut self, bits: u16) -> Self {
        self.fragment = bits;
        self
    }

    /// IPv4 options, padded to whole words.
    #[must_use]
    pub fn options(mut self, options: &[u8]) -> Self {
        self.between = options.to_vec();
        self.between.resize(options.len().next_multiple_of(4), 0);
        self
    }

    /// One more IPv6 extension header before all others: its kind, and what follows its first byte.
    #[must_use]
    pub fn behind(mut self, kind: u8, rest: &[u8]) -> Self {
        let mut header = vec![self.protocol];
        header.extend(rest);
        self.between.splice(..0, header);
        self.protocol = kind;
        self
    }

    /// Another payload: the packet inside a tunnel, for example.
    #[must_use]
    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// Only the first `len` bytes from the network header on.
    #[must_use]
    pub fn cut(mut self, len: usize) -> Self {
        self.cut = Some(len);
        self
    }

    /// The bytes from the network header on.
    #[must_use]
    pub fn network(&self) -> Vec<u8> {
        let mut packet = match self.destination {
            IpAddr::V4(destination) => self.ipv4(destination),
            IpAddr::V6(destination) => self.ipv6(destination),
        };
        packet.extend(&self.between);
        packet.extend(&self.payload);
        packet.truncate(self.cut.unwrap_or(usize::MAX));
        packet
    }

    /// The whole packet.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let ethertype = match self.destination {
            IpAddr::V4(_) => ETHERTYPE_IPV4,
            IpAddr::V6(_) => ETHERTYPE_IPV6,
        };
        ethernet(ethertype, &self.network())
    }

    fn ipv4(&self, destination: Ipv4Addr) -> Vec<u8> {
        let words = low_byte(self.between.len() / 4);
        let len = 20 + self.between.len() + self.payload.len();
        let mut header = vec![0x45 + words, 0];
        header.extend(low_word(len).to_be_bytes());
        header.extend([0, 1]);
        header.extend(self.fragment.to_be_bytes());
        header.extend([64, self.protocol, 0, 0, 10, 53, 0, 2]);
        header.extend(destination.octets());
        header
    }

    fn ipv6(&self, destination: Ipv6Addr) -> Vec<u8> {
        let len = self.between.len() + self.payload.len();
        let mut header = vec![0x60, 0, 0, 0];
        header.extend(low_word(len).to_be_bytes());
        header.extend([self.protocol, 64]);
        header.extend([0xfd, 0x53, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        header.extend(destination.octets());
        header
    }
}

/// `network` as a frame of `ethertype`.
#[must_use]
pub fn ethernet(ethertype: u16, network: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(network);
    frame
}

fn low_byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

fn low_word(number: usize) -> u16 {
    let [low, high, ..] = number.to_le_bytes();
    u16::from_le_bytes([low, high])
}
