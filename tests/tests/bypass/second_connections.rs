//! A foreign ClientHello on a second connection with the addresses and ports of a first one, whose state the device hook must not take for its own.

use anyhow::Result;
use enforcer_common::Reason;
use test_data::{
    client_hello::client_hello,
    packet::tcp_flags::{ACK, PSH, RST, SYN},
};

use crate::{
    bypasses,
    comparison::{Attempt, SendResult, Target, Technique, With},
    crafted_hellos::{CHECKSUM_AT, ISN, at, foreign, send_and_await},
    fixture::{Fixture, LOGIN},
    lane::{Lane, lane},
    links::{PacketLink, Station},
    mini_tcp::{Ends, Link, Position, handshake, segment, send},
};

/// How far back a sequence number counts as one from before the numbers wrapped (RFC 7323 section 2.3).
const WINDOW: u32 = 1 << 30;

/// Sends a segment that the server discards: its checksum is wrong.
pub(crate) fn send_discarded(
    link: &mut dyn Link,
    ends: Ends,
    position: Position,
    payload: &[u8],
) -> Result<()> {
    let mut discarded = segment(ends, position, payload)?;
    discarded[CHECKSUM_AT] ^= 0xff;
    link.send(&discarded)?;
    Ok(())
}

/// An allowed ClientHello that the server discards, a byte from before the sequence numbers wrapped, and the foreign ClientHello in its place.
fn half_way_around(link: &mut dyn Link, ends: Ends, attempt: &Attempt) -> Result<SendResult> {
    let Some(answer) = handshake(link, ends, ISN)? else {
        return Ok(SendResult::Unanswered);
    };
    let acknowledgement = answer.sequence.wrapping_add(1);
    send(link, ends, at(ISN + 1, ACK, acknowledgement), &[])?;
    let allowed = client_hello(LOGIN);
    let end = (ISN + 1).wrapping_add(u32::try_from(allowed.len())?);
    send_discarded(
        link,
        ends,
        at(ISN + 1, PSH | ACK, acknowledgement),
        &allowed,
    )?;
    let early = at(end.wrapping_sub(WINDOW), PSH | ACK, acknowledgement);
    send_discarded(link, ends, early, b"x")?;
    send_and_await(link, ends, acknowledgement, &foreign(attempt))
}

/// A connection with an allowed ClientHello, segments far ahead of it that the server discards, a reset, and another connection whose first byte has the
/// same number.
fn with_the_same_number(link: &mut dyn Link, ends: Ends, attempt: &Attempt) -> Result<SendResult> {
    let Some(answer) = handshake(link, ends, ISN)? else {
        return Ok(SendResult::Unanswered);
    };
    let acknowledgement = answer.sequence.wrapping_add(1);
    send(link, ends, at(ISN + 1, ACK, acknowledgement), &[])?;
    let allowed = client_hello(LOGIN);
    if send_and_await(link, ends, acknowledgement, &allowed)? != SendResult::Answered {
        return Ok(SendResult::Unanswered);
    }
    let next = (ISN + 1).wrapping_add(u32::try_from(allowed.len())?);
    send(link, ends, at(next, PSH | ACK, acknowledgement), b"more")?;
    // Each is as far ahead as a sequence number can be, a window further than the one before.
    for windows in 0..3 {
        let ahead = next.wrapping_add(windows * (WINDOW - 1) + (i32::MAX as u32));
        send_discarded(link, ends, at(ahead, PSH | ACK, acknowledgement), b"x")?;
    }
    send(link, ends, at(next + 4, RST, 0), &[])?;
    let Some(answer) = handshake(link, ends, ISN)? else {
        return Ok(SendResult::Unanswered);
    };
    let acknowledgement = answer.sequence.wrapping_add(1);
    send(link, ends, at(ISN + 1, ACK, acknowledgement), &[])?;
    send_and_await(link, ends, acknowledgement, &foreign(attempt))
}

/// A SYN that is answered and reset, the SYN of the real connection, and the first SYN again, which the server discards: the answer to it must not count
/// for an allowed ClientHello from there on, which is old to the real connection.
fn behind_an_answered_syn(
    link: &mut dyn Link,
    ends: Ends,
    attempt: &Attempt,
) -> Result<SendResult> {
    let other = ISN - 10_000;
    if handshake(link, ends, other)?.is_none() {
        return Ok(SendResult::Unanswered);
    }
    send(link, ends, at(other + 1, RST, 0), &[])?;
    let Some(answer) = handshake(link, ends, ISN)? else {
        return Ok(SendResult::Unanswered);
    };
    let acknowledgement = answer.sequence.wrapping_add(1);
    send_discarded(link, ends, at(other, SYN, 0), &[])?;
    send(link, ends, at(ISN + 1, ACK, acknowledgement), &[])?;
    let early = at(other + 1, PSH | ACK, acknowledgement);
    send(link, ends, early, &client_hello(LOGIN))?;
    send_and_await(link, ends, acknowledgement, &foreign(attempt))
}

type Segments = fn(&mut dyn Link, Ends, &Attempt) -> Result<SendResult>;

const CASES: [(&str, Segments, Reason); 3] = [
    (
        "half-way around the sequence numbers",
        half_way_around,
        Reason::RetransmitMismatch,
    ),
    (
        "with the same first number",
        with_the_same_number,
        Reason::ServerNameUnknown,
    ),
    (
        "behind an answered SYN",
        behind_an_answered_syn,
        Reason::NoSynSeen,
    ),
];

/// Returns the techniques.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let link = PacketLink::open(&fixture.host(), Station::of_host(1))?;
    let mut techniques = Vec::new();
    for (name, segments, reason) in CASES {
        let act = move |_: &Fixture, link: &mut PacketLink, attempt: &Attempt| {
            let ends = link.ends(attempt);
            segments(link, ends, attempt)
        };
        let name = format!("host: a foreign ClientHello {name}");
        let to = (Target::Login, true);
        techniques.push(Technique::new(name, to, With::Denied(reason), act));
    }
    Ok(lane(&bypasses::SECOND_CONNECTIONS, link, techniques))
}
