//! TCP without a socket: segments that a test writes and reads itself.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, bail};
use etherparse::{PacketBuilder, SlicedPacket, TcpHeader, TransportSlice};
use lab::topology::capture::addresses;
use test_data::packet::tcp_flags::{ACK, PSH, RST, SYN};

use crate::comparison::SendResult;

const HOP_LIMIT: u8 = 64;

/// A way by which IP packets reach the host's network, and come back.
pub(crate) trait Link {
    /// Sends an IP packet.
    fn send(&mut self, packet: &[u8]) -> Result<SendResult>;

    /// Returns the next IP packet; `None` if none comes.
    fn receive(&mut self) -> Result<Option<Vec<u8>>>;
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) here: SocketAddr,
    pub(crate) there: SocketAddr,
}

/// The place of a segment in a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) flags: u8,
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
}

/// An established connection.
pub(crate) struct Connection<'a> {
    link: &'a mut dyn Link,
    ends: Ends,
    /// The next sequence number to send, and the next one expected.
    next: u32,
    expected: u32,
}

/// Returns a segment with its IP header and checksums.
pub(crate) fn segment(ends: Ends, position: Position, payload: &[u8]) -> Result<Vec<u8>> {
    let headers = match (ends.here.ip(), ends.there.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            PacketBuilder::ipv4(from.octets(), to.octets(), HOP_LIMIT)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            PacketBuilder::ipv6(from.octets(), to.octets(), HOP_LIMIT)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            bail!("{ends:?} are of two families")
        }
    };
    let ports = (ends.here.port(), ends.there.port());
    let mut header = TcpHeader::new(ports.0, ports.1, position.sequence, u16::MAX);
    header.syn = position.flags & SYN != 0;
    header.rst = position.flags & RST != 0;
    header.psh = position.flags & PSH != 0;
    header.ack = position.flags & ACK != 0;
    header.acknowledgment_number = position.acknowledgement;
    let mut packet = Vec::new();
    headers.tcp_header(header).write(&mut packet, payload)?;
    Ok(packet)
}

/// Sends a segment.
pub(crate) fn send(
    link: &mut dyn Link,
    ends: Ends,
    position: Position,
    payload: &[u8],
) -> Result<SendResult> {
    link.send(&segment(ends, position, payload)?)
}

/// Returns the next segment from the other end that `is_wanted`.
pub(crate) fn receive(
    link: &mut dyn Link,
    ends: Ends,
    is_wanted: impl Fn(Position, &[u8]) -> bool,
) -> Result<Option<(Position, Vec<u8>)>> {
    while let Some(packet) = link.receive()? {
        if let Some((position, payload)) = parse(&packet, ends)
            && is_wanted(position, &payload)
        {
            return Ok(Some((position, payload)));
        }
    }
    Ok(None)
}

/// Sends a SYN with this sequence number, and returns the acknowledgement of it.
pub(crate) fn handshake(
    link: &mut dyn Link,
    ends: Ends,
    sequence: u32,
) -> Result<Option<Position>> {
    let syn = Position {
        flags: SYN,
        sequence,
        acknowledgement: 0,
    };
    send(link, ends, syn, &[])?;
    let is_answer = |position: Position, _: &[u8]| position.flags & SYN != 0;
    Ok(receive(link, ends, is_answer)?.map(|(position, _)| position))
}

impl<'a> Connection<'a> {
    /// Connects; `None` if no answer comes.
    pub(crate) fn open(link: &'a mut dyn Link, ends: Ends, sequence: u32) -> Result<Option<Self>> {
        let Some(answer) = handshake(link, ends, sequence)? else {
            return Ok(None);
        };
        let mut connection = Self {
            link,
            ends,
            next: sequence.wrapping_add(1),
            expected: answer.sequence.wrapping_add(1),
        };
        connection.send_part(ACK, &[])?;
        Ok(Some(connection))
    }

    /// Sends data, and returns the answer to it.
    pub(crate) fn exchange(&mut self, data: &[u8]) -> Result<Option<Vec<u8>>> {
        self.send_part(PSH | ACK, data)?;
        let has_data = |_: Position, payload: &[u8]| !payload.is_empty();
        let answer = receive(self.link, self.ends, has_data)?;
        Ok(answer.map(|(position, payload)| {
            self.expected = position.sequence.wrapping_add(payload.len() as u32);
            payload
        }))
    }

    fn send_part(&mut self, flags: u8, data: &[u8]) -> Result<SendResult> {
        let position = Position {
            flags,
            sequence: self.next,
            acknowledgement: self.expected,
        };
        let length = u32::try_from(data.len()).context("a segment of this length")?;
        self.next = self.next.wrapping_add(length);
        send(self.link, self.ends, position, data)
    }
}

/// Connects to storage or to a login server, sends `data`, and returns whether the server answers it.
pub(crate) fn converse(link: &mut dyn Link, ends: Ends, data: &[u8]) -> Result<SendResult> {
    let Some(mut connection) = Connection::open(link, ends, 1_000_000)? else {
        return Ok(SendResult::Unanswered);
    };
    let answer = connection.exchange(data)?;
    Ok(answer.map_or(SendResult::Unanswered, |_| SendResult::Answered))
}

/// Reads a segment of the connection from the other end.
fn parse(packet: &[u8], ends: Ends) -> Option<(Position, Vec<u8>)> {
    let packet = SlicedPacket::from_ip(packet).ok()?;
    let (source, destination) = addresses(&packet.net?)?;
    let TransportSlice::Tcp(tcp) = packet.transport? else {
        return None;
    };
    let from = SocketAddr::new(source, tcp.source_port());
    let to = SocketAddr::new(destination, tcp.destination_port());
    if (from, to) != (ends.there, ends.here) {
        return None;
    }
    let flags = [(tcp.syn(), SYN), (tcp.psh(), PSH), (tcp.ack(), ACK)];
    let flags = flags.into_iter().filter(|(is_set, _)| *is_set);
    let position = Position {
        flags: flags.fold(0, |all, (_, flag)| all | flag),
        sequence: tcp.sequence_number(),
        acknowledgement: tcp.acknowledgment_number(),
    };
    Some((position, tcp.payload().to_vec()))
}
