//! TCP segments without a socket to an address that an allowed name opens: the device hook has to follow the connection itself.

use anyhow::Result;
use enforcer_common::Reason;
use etherparse::Ipv4Header;
use lab::fixtures::process_env::ProcessEnv;
use test_data::{
    client_hello::{ClientHello, client_hello},
    packet::tcp_flags::{ACK, PSH, SYN},
};

use crate::{
    bypasses,
    comparison::{Attempt, SendResult, Stage, Target, Technique, With},
    fixture::{Fixture, LOGIN},
    lane::lane,
    links::{PacketLink, Station},
    mini_tcp::{Ends, Link, Position, converse, handshake, receive, segment, send},
};

pub(crate) const ISN: u32 = 5_000_000;
/// Bytes of the first fragment, a multiple of 8.
const FRAGMENT: usize = 24;
/// Where the checksum is behind an IPv4 header without options (RFC 9293 section 3.1).
pub(crate) const CHECKSUM_AT: usize = 20 + 16;

/// A ClientHello for the attempt's own name, which is not allowed.
pub(crate) fn foreign(attempt: &Attempt) -> Vec<u8> {
    client_hello(&String::from_utf8_lossy(&attempt.marker))
}

pub(crate) fn at(sequence: u32, flags: u8, acknowledgement: u32) -> Position {
    Position {
        flags,
        sequence,
        acknowledgement,
    }
}

/// The foreign ClientHello alone.
fn without_handshake(link: &mut dyn Link, ends: Ends, attempt: &Attempt) -> Result<SendResult> {
    send(link, ends, at(ISN + 1, PSH | ACK, 1), &foreign(attempt))
}

/// The foreign ClientHello in the SYN (RFC 7413).
fn in_the_syn(link: &mut dyn Link, ends: Ends, attempt: &Attempt) -> Result<SendResult> {
    send(link, ends, at(ISN, SYN, 0), &foreign(attempt))
}

/// The foreign ClientHello on a connection.
fn on_a_connection(link: &mut dyn Link, ends: Ends, attempt: &Attempt) -> Result<SendResult> {
    converse(link, ends, &foreign(attempt))
}

/// A second SYN, with a sequence number below the first one's: an allowed ClientHello behind it is old to the server, which discards it and
/// takes the foreign one behind the first SYN.
fn two_syns(link: &mut dyn Link, ends: Ends, attempt: &Attempt) -> Result<SendResult> {
    let other = ISN - 10_000;
    let Some(answer) = handshake(link, ends, ISN)? else {
        return Ok(SendResult::Unanswered);
    };
    let acknowledgement = answer.sequence.wrapping_add(1);
    send(link, ends, at(other, SYN, 0), &[])?;
    send(link, ends, at(ISN + 1, ACK, acknowledgement), &[])?;
    let allowed = client_hello(LOGIN);
    send(
        link,
        ends,
        at(other + 1, PSH | ACK, acknowledgement),
        &allowed,
    )?;
    send_and_await(link, ends, acknowledgement, &foreign(attempt))
}

/// An allowed ClientHello with a wrong checksum, which the server discards, and the foreign one in its place.
fn discarded_hello(link: &mut dyn Link, ends: Ends, attempt: &Attempt) -> Result<SendResult> {
    let Some(answer) = handshake(link, ends, ISN)? else {
        return Ok(SendResult::Unanswered);
    };
    let acknowledgement = answer.sequence.wrapping_add(1);
    send(link, ends, at(ISN + 1, ACK, acknowledgement), &[])?;
    let position = at(ISN + 1, PSH | ACK, acknowledgement);
    let mut discarded = segment(ends, position, &client_hello(LOGIN))?;
    discarded[CHECKSUM_AT] ^= 0xff;
    link.send(&discarded)?;
    send_and_await(link, ends, acknowledgement, &foreign(attempt))
}

/// The foreign ClientHello in two IP fragments (RFC 791), the first of which ends behind the TCP header.
fn in_fragments(link: &mut dyn Link, ends: Ends, attempt: &Attempt) -> Result<SendResult> {
    let Some(answer) = handshake(link, ends, ISN)? else {
        return Ok(SendResult::Unanswered);
    };
    let acknowledgement = answer.sequence.wrapping_add(1);
    send(link, ends, at(ISN + 1, ACK, acknowledgement), &[])?;
    let position = at(ISN + 1, PSH | ACK, acknowledgement);
    let whole = segment(ends, position, &foreign(attempt))?;
    let (header, payload) = Ipv4Header::from_slice(&whole)?;
    let (first, rest) = payload.split_at(FRAGMENT);
    let mut sent = SendResult::OneWay;
    for (offset, more, part) in [(0, true, first), (FRAGMENT / 8, false, rest)] {
        let mut header = header.clone();
        header.identification = attempt.number;
        header.dont_fragment = false;
        header.more_fragments = more;
        header.fragment_offset = u16::try_from(offset)?.try_into()?;
        header.set_payload_len(part.len())?;
        header.header_checksum = header.calc_header_checksum();
        let result = link.send(&[&header.to_bytes(), part].concat())?;
        sent = if result == SendResult::OneWay {
            sent
        } else {
            result
        };
    }
    answer_to(link, ends, sent)
}

/// Sends the first bytes of a connection, and waits for the server's answer to them.
pub(crate) fn send_and_await(
    link: &mut dyn Link,
    ends: Ends,
    acknowledgement: u32,
    hello: &[u8],
) -> Result<SendResult> {
    let sent = send(link, ends, at(ISN + 1, PSH | ACK, acknowledgement), hello)?;
    answer_to(link, ends, sent)
}

/// Waits for the server's answer to what was sent.
fn answer_to(link: &mut dyn Link, ends: Ends, sent: SendResult) -> Result<SendResult> {
    let has_data = |_: Position, payload: &[u8]| !payload.is_empty();
    let answer = receive(link, ends, has_data)?;
    Ok(match (answer, sent) {
        (Some(_), _) => SendResult::Answered,
        (None, SendResult::Refused(errno)) => SendResult::Refused(errno),
        (None, _) => SendResult::Unanswered,
    })
}

type Segments = fn(&mut dyn Link, Ends, &Attempt) -> Result<SendResult>;

const CASES: [(&str, Segments, Reason); 6] = [
    ("without a handshake", without_handshake, Reason::NoSynSeen),
    ("in the SYN", in_the_syn, Reason::FastOpen),
    (
        "on a connection",
        on_a_connection,
        Reason::ServerNameUnknown,
    ),
    ("behind the first of two SYNs", two_syns, Reason::NoSynSeen),
    ("in IP fragments", in_fragments, Reason::WrongPort),
    (
        "in place of a discarded one",
        discarded_hello,
        Reason::RetransmitMismatch,
    ),
];

/// Returns the techniques over links of `sender`, each with a station that `station` numbers. Most attempts wait for an answer that does not come.
pub(crate) fn techniques(
    sender: &str,
    env: &ProcessEnv,
    station: fn(u8) -> Station,
) -> Result<Stage> {
    let to = (Target::Login, true);
    let mut lanes = Vec::new();
    for (number, cases) in (3..).zip(CASES.chunks(2)) {
        let techniques = cases.iter().map(|(name, segments, reason)| {
            let act = move |_: &Fixture, link: &mut PacketLink, attempt: &Attempt| {
                let ends = link.ends(attempt);
                segments(link, ends, attempt)
            };
            let name = format!("{sender}: a foreign ClientHello {name}");
            Technique::new(name, to, With::Denied(*reason), act)
        });
        let link = PacketLink::open(env, station(number))?;
        lanes.push(lane(&bypasses::CRAFTED_HELLOS, link, techniques.collect()));
    }
    let name = format!("{sender}: an allowed ClientHello");
    let technique = Technique::new(name, to, With::Passes, allowed);
    lanes.push(lane(
        &bypasses::CRAFTED_HELLOS,
        PacketLink::open(env, station(2))?,
        vec![technique],
    ));
    Ok(lanes)
}

/// The allowed name on a connection, which passes.
fn allowed(_: &Fixture, link: &mut PacketLink, attempt: &Attempt) -> Result<SendResult> {
    let hello = ClientHello {
        session_id: attempt.marker.clone(),
        ..ClientHello::tls12(LOGIN)
    };
    let ends = link.ends(attempt);
    converse(link, ends, &hello.bytes())
}
