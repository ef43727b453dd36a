//! Scratch memory of the ClientHello parser: a hash map keyed by socket cookie, or by a digest of a connection without a socket. It lets functions that take numbers only continue a parse, so
//! that the verifier checks each function once and not at every field. The parser's state between segments is in the socket's [`FLOWS`] entry.

use aya_ebpf::bindings::BPF_NOEXIST;
use enforcer_common::Reason;
use enforcer_common::tls::{
    Demand, MAX_FIELDS, NewBytes, ParserScratch, Progress, Segment, SentBytes,
};

use crate::copy::copy;
#[cfg(doc)]
use crate::maps::FLOWS;
use crate::maps::{HELLO_SCRATCH, RETRANSMIT_SCRATCH};

/// Copies `parser` to the scratch memory with this key and returns the key; `None` if it is in use or the map is full. Access is exclusive until
/// [`release`].
#[inline(always)]
pub(crate) fn claim(key: u64, parser: &ParserScratch) -> Option<u64> {
    HELLO_SCRATCH
        .insert(&key, parser, BPF_NOEXIST.into())
        .ok()?;
    Some(key)
}

/// Copies the scratch memory back to `parser` and frees it.
#[inline(always)]
pub(crate) fn release(socket: u64, parser: &mut ParserScratch) {
    if let Some(scratch) = scratch(socket) {
        copy(&scratch.state, &mut parser.state);
        copy(&scratch.keys, &mut parser.keys);
    }
    let _is_there = HELLO_SCRATCH.remove(&socket);
}

/// Parses a segment to its end or to that of the ClientHello, in the scratch memory of a socket: as it was recorded, and what there was no room for
/// from the packet.
#[inline(always)]
pub(crate) fn parse(
    segment: &impl Segment,
    socket: u64,
    new: NewBytes<'_>,
) -> Result<Progress, Reason> {
    hello_begin(socket, new.at, new.len);
    // Not a terminal reason: TCP sends the segment again, and it is then checked.
    let recorded = RETRANSMIT_SCRATCH.insert(&socket, new.sent, BPF_NOEXIST.into());
    recorded.map_err(|_in_use_or_full| Reason::NoSynSeen)?;
    let is_over = hello_parse_recorded(socket, new.from.wrapping_sub(new.at)) != 0;
    let _is_there = RETRANSMIT_SCRATCH.remove(&socket);
    if is_over {
        return Err(Reason::HelloUnreadable);
    }
    for _ in 0..MAX_FIELDS {
        let Demand::Word(at, len) = demand(socket) else {
            break;
        };
        let Some(word) = segment.word(at, len) else {
            break;
        };
        hello_feed(socket, word);
    }
    // Calling this once more after the loop makes all verifier states equal here, whichever iteration they come from.
    match demand(socket) {
        Demand::Word(..) => Err(Reason::HelloUnreadable),
        Demand::End(progress) => Ok(progress),
        Demand::Denied(reason) => Err(reason),
    }
}

/// [`SentBytes::matches`]; `None` if the scratch memory with this key is in use or the map is full.
#[inline(always)]
pub(crate) fn matches_retransmission(
    socket: u64,
    sent: &SentBytes,
    from: u32,
    to: u32,
) -> Option<bool> {
    RETRANSMIT_SCRATCH
        .insert(&socket, sent, BPF_NOEXIST.into())
        .ok()?;
    let matches = hello_retransmission(socket, from, to) != 0;
    let _is_there = RETRANSMIT_SCRATCH.remove(&socket);
    Some(matches)
}

#[inline(always)]
fn scratch(socket: u64) -> Option<&'static mut ParserScratch> {
    let scratch = HELLO_SCRATCH.get_ptr_mut(&socket)?;
    // SAFETY: an entry stays readable for the length of the program, and only the program of its socket uses it.
    Some(unsafe { &mut *scratch })
}

#[inline(always)]
fn demand(socket: u64) -> Demand {
    let demand = hello_demand(socket);
    let low = demand as u32;
    match demand >> 56 {
        WORD => Demand::Word(low, (demand >> 32) as u32 & 0xff),
        PART => Demand::End(Progress::Part),
        WHOLE => Demand::End(Progress::Whole),
        _ => Demand::Denied(Reason::denial_from_code(low as u8, Reason::HelloUnreadable)),
    }
}

/// Highest byte of what [`hello_demand`] returns, which encodes a [`Demand`]. The lowest four bytes hold a word's offset or the code of a
/// [`Reason`], the byte above them a word's length.
const WORD: u64 = 0;
const PART: u64 = 1;
const WHOLE: u64 = 2;
const DENIED: u64 = 3;

// Functions with exported names, as in `policy_maps`.

/// Whether a retransmission matches the recorded bytes (1 or 0).
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn hello_retransmission(socket: u64, from: u32, to: u32) -> u32 {
    let Some(sent) = RETRANSMIT_SCRATCH.get_ptr(&socket) else {
        return 0;
    };
    // SAFETY: as in `scratch`.
    u32::from(unsafe { (*sent).matches(from, to) })
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_begin(socket: u64, at: u32, len: u32) -> u32 {
    if let Some(scratch) = scratch(socket) {
        scratch.begin(at, len);
    }
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_demand(socket: u64) -> u64 {
    let Some(scratch) = scratch(socket) else {
        return DENIED << 56 | Reason::HelloUnreadable as u64;
    };
    match scratch.state.demand() {
        Demand::Word(at, len) => WORD << 56 | u64::from(len) << 32 | u64::from(at),
        Demand::End(Progress::Part) => PART << 56,
        Demand::End(Progress::Whole) => WHOLE << 56,
        Demand::Denied(reason) => DENIED << 56 | reason as u64,
    }
}

/// Parses recorded bytes, up to those that are not. `distance` is from the packet offset of a byte to its offset in the stream. Returns 1 if the segment
/// has too many fields, else 0.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_parse_recorded(socket: u64, distance: u32) -> u32 {
    let Some(sent) = RETRANSMIT_SCRATCH.get_ptr(&socket) else {
        return 1;
    };
    for _ in 0..MAX_FIELDS {
        let Demand::Word(at, len) = demand(socket) else {
            return 0;
        };
        // SAFETY: as in `scratch`.
        let Some(word) = (unsafe { (*sent).word(at.wrapping_add(distance), len) }) else {
            return 0;
        };
        hello_feed(socket, word);
    }
    u32::from(matches!(demand(socket), Demand::Word(..)))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_feed(socket: u64, word: u64) -> u32 {
    if let Some(scratch) = scratch(socket)
        && let Err(reason) = scratch.feed(word)
    {
        scratch.state.fail(reason);
    }
    0
}
