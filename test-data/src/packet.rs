//! IP packets and frames, well-formed or not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{
    EtherType, Ethernet2Header, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, TcpHeader,
};

/// Protocol numbers (IANA).
pub mod protocol {
    #![expect(missing_docs, reason = "their names are those of the registry")]
    pub const HOP_BY_HOP: u8 = 0;
    pub const ICMP: u8 = 1;
    pub const IPIP: u8 = 4;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const IPV6: u8 = 41;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const GRE: u8 = 47;
    pub const ESP: u8 = 50;
    pub const AUTHENTICATION: u8 = 51;
    pub const ICMPV6: u8 = 58;
    pub const NO_NEXT_HEADER: u8 = 59;
    pub const DESTINATION_OPTIONS: u8 = 60;
    pub const SCTP: u8 = 132;
}

/// TCP flags (RFC 9293 section 3.1).
pub mod tcp_flags {
    #![expect(missing_docs, reason = "their names are those of the RFC")]
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const PSH: u8 = 0x08;
    pub const ACK: u8 = 0x10;
    pub const URG: u8 = 0x20;
}

/// The source of every [`Packet`].
pub const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 2);
/// The source of every [`Packet`].
pub const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0xfd53, 0, 0, 0, 0, 0, 0, 2);
const SOURCE_PORT: u16 = 40_000;
const HOP_LIMIT: u8 = 64;
/// The offset of flags and fragment offset in an IPv4 header, and of the flags in a TCP header.
const IPV4_FRAGMENT: usize = 6;
const TCP_FLAGS: usize = 13;

/// A packet to one destination.
#[derive(Clone, Debug)]
pub struct Packet {
    destination: IpAddr,
    protocol: u8,
    fragment: u16,
    options: Vec<u8>,
    extensions: Vec<u8>,
    payload: Vec<u8>,
    length: Option<usize>,
}

impl Packet {
    /// Returns a packet of `protocol` whose payload is 20 bytes: a source port, `port`, and zeros.
    #[must_use]
    pub fn new(destination: IpAddr, protocol: u8, port: u16) -> Self {
        let ports = [SOURCE_PORT, port].map(u16::to_be_bytes);
        Self {
            destination,
            protocol,
            fragment: 0,
            options: Vec::new(),
            extensions: Vec::new(),
            payload: [ports.as_flattened(), &[0; 16]].concat(),
            length: None,
        }
    }

    /// Returns a TCP segment to `port`.
    #[must_use]
    pub fn tcp(destination: IpAddr, port: u16, sequence: u32, flags: u8, payload: &[u8]) -> Self {
        let header = tcp_header(port, sequence, flags);
        Self::new(destination, protocol::TCP, port).payload(&[&header, payload].concat())
    }

    /// Replaces the flags and the fragment offset of the IPv4 header.
    #[must_use]
    pub fn fragment(mut self, bits: u16) -> Self {
        self.fragment = bits;
        self
    }

    /// Replaces the IPv4 options, padded to whole words.
    #[must_use]
    pub fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self.options.resize(options.len().next_multiple_of(4), 0);
        self
    }

    /// Inserts an IPv6 extension header before all others: its protocol number, and the bytes after its first one.
    #[must_use]
    pub fn extension(mut self, kind: u8, rest: &[u8]) -> Self {
        let header = [&[self.protocol], rest].concat();
        self.extensions.splice(..0, header);
        self.protocol = kind;
        self
    }

    /// Replaces the payload, which may be a packet inside a tunnel.
    #[must_use]
    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// Keeps only the first `len` bytes, counted from the network header; the lengths in the headers stay.
    #[must_use]
    pub fn truncated(mut self, len: usize) -> Self {
        self.length = Some(len);
        self
    }

    /// Returns the bytes from the network header.
    #[must_use]
    pub fn network(&self) -> Vec<u8> {
        let mut packet = match self.destination {
            IpAddr::V4(destination) => self.ipv4_header(destination),
            IpAddr::V6(destination) => self.ipv6_header(destination),
        };
        packet.extend(&self.extensions);
        packet.extend(&self.payload);
        packet.truncate(self.length.unwrap_or(usize::MAX));
        packet
    }

    /// Returns the bytes from the Ethernet header, as the kernel's test runs expect them.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let kind = match self.destination {
            IpAddr::V4(_) => EtherType::IPV4,
            IpAddr::V6(_) => EtherType::IPV6,
        };
        frame(kind.0, &self.network())
    }

    fn payload_len(&self) -> u16 {
        u16::try_from(self.extensions.len() + self.payload.len()).unwrap()
    }

    fn ipv4_header(&self, destination: Ipv4Addr) -> Vec<u8> {
        let protocol = IpNumber(self.protocol);
        let addresses = (SOURCE_V4.octets(), destination.octets());
        let len = self.payload_len();
        let header = Ipv4Header::new(len, HOP_LIMIT, protocol, addresses.0, addresses.1);
        let mut header = header.unwrap();
        header.options = self.options.as_slice().try_into().unwrap();
        header.set_payload_len(len.into()).unwrap();
        let mut bytes = header.to_bytes().to_vec();
        bytes[IPV4_FRAGMENT..][..2].copy_from_slice(&self.fragment.to_be_bytes());
        bytes
    }

    fn ipv6_header(&self, destination: Ipv6Addr) -> Vec<u8> {
        let header = Ipv6Header {
            payload_length: self.payload_len(),
            next_header: IpNumber(self.protocol),
            hop_limit: HOP_LIMIT,
            source: SOURCE_V6.octets(),
            destination: destination.octets(),
            ..Ipv6Header::default()
        };
        header.to_bytes().to_vec()
    }
}

/// Returns `network` in an Ethernet frame of this type.
#[must_use]
pub fn frame(ether_type: u16, network: &[u8]) -> Vec<u8> {
    let header = Ethernet2Header {
        ether_type: EtherType(ether_type),
        ..Ethernet2Header::default()
    };
    [&header.to_bytes(), network].concat()
}

/// Returns a TCP header without options.
#[must_use]
pub fn tcp_header(port: u16, sequence: u32, flags: u8) -> Vec<u8> {
    let header = TcpHeader::new(SOURCE_PORT, port, sequence, u16::MAX);
    let mut bytes = header.to_bytes().to_vec();
    bytes[TCP_FLAGS] = flags;
    bytes
}

/// Returns a UDP datagram with its IP header and checksums; `None` if the two are of different families.
#[must_use]
pub fn udp_packet(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
    let headers = match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            PacketBuilder::ipv4(from.octets(), to.octets(), HOP_LIMIT)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            PacketBuilder::ipv6(from.octets(), to.octets(), HOP_LIMIT)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    };
    let mut packet = Vec::new();
    let headers = headers.udp(source.port(), destination.port());
    headers.write(&mut packet, payload).unwrap();
    Some(packet)
}
