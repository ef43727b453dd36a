//! Where a ClientHello is read: in a map, under its socket's cookie, so that functions which take numbers alone can read on, and the verifier
//! judges each once and not at every field. What was read before lies with the socket, and goes back there.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_skb_load_bytes};
use core::hint::black_box;
use enforcer_common::Reason;
use enforcer_common::hello::{Desk, KEPT, Read, Sent, Span, Want};

use crate::copy::copy;
use crate::maps::{DESKS, PIECES};
use crate::packet::Packet;

/// How many sockets can be at desks at a time: a process may be interrupted, or have to give way, while it is at one.
pub(crate) const MAX_DESKS: u32 = 1024;
/// What is held against what, at some of them.
pub(crate) const MAX_PIECES: u32 = 2 * MAX_DESKS;

/// Lays `desk` down for the packet's socket, whose cookie it gives. A socket sends one packet at a time, so nobody else is there. To be
/// followed by [`leave`].
#[inline(always)]
pub(crate) fn enter(packet: &Packet<'_>, desk: &Desk) -> Option<u64> {
    // SAFETY: the context is the kernel's for the length of the program.
    let socket = unsafe { bpf_get_socket_cookie(packet.0.as_ptr()) };
    DESKS.insert(&socket, desk, 0).ok()?;
    Some(socket)
}

/// Lays `len` bytes of the packet from `at` on down from `offset` on, both at most [`KEPT`].
#[inline(always)]
pub(crate) fn load(
    packet: &Packet<'_>,
    place: &mut Sent,
    offset: u32,
    at: u32,
    len: u32,
) -> Option<()> {
    // The compiler sees that the masks take nothing away, where the verifier sees it from the masks alone.
    let last = black_box(len.wrapping_sub(1)) & (KEPT - 1);
    let offset = black_box(offset) & (KEPT - 1);
    // SAFETY: there is room for `KEPT` bytes from any of the first `KEPT` on, and any bytes are good ones.
    let status = unsafe {
        bpf_skb_load_bytes(
            packet.raw().cast(),
            at,
            place.as_mut_ptr().add(offset as usize).cast(),
            last.wrapping_add(1),
        )
    };
    (status == 0).then_some(())
}

/// Whether the packet has what was kept of it when it was sent before. False, too, where there is no room to tell.
#[inline(always)]
pub(crate) fn has(packet: &Packet<'_>, socket: u64, sent: &Sent, span: Span) -> bool {
    let end = span.offset.wrapping_add(span.again);
    let is_same =
        lay_down(packet, socket, sent, span).is_some() && hello_has(socket, span.offset, end) != 0;
    let _may_be_there = PIECES.remove(&socket);
    let _may_be_there = PIECES.remove(&!socket);
    is_same
}

/// Lays down what was kept of a socket, and under its cookie's complement what its packet has.
#[inline(always)]
fn lay_down(packet: &Packet<'_>, socket: u64, sent: &Sent, span: Span) -> Option<()> {
    PIECES.insert(&socket, sent, 0).ok()?;
    PIECES.insert(&!socket, sent, 0).ok()?;
    let place = PIECES.get_ptr_mut(&!socket)?;
    // SAFETY: the entry is this socket's alone, and stays for as long as the program.
    load(
        packet,
        unsafe { &mut *place },
        span.lead(),
        span.at,
        span.again,
    )
}

/// Takes back what lies there.
#[inline(always)]
pub(crate) fn leave(socket: u64, desk: &mut Desk) {
    if let Some(place) = self::desk(socket) {
        copy(&place.reading, &mut desk.reading);
        copy(&place.keys, &mut desk.keys);
    }
    let _is_there = DESKS.remove(&socket);
}

#[inline(always)]
fn piece(socket: u64) -> Option<&'static Sent> {
    let place = PIECES.get_ptr(&socket)?;
    // SAFETY: as in `desk`.
    Some(unsafe { &*place })
}

#[inline(always)]
fn desk(socket: u64) -> Option<&'static mut Desk> {
    let place = DESKS.get_ptr_mut(&socket)?;
    // SAFETY: an entry stays readable for as long as the program, and its socket's program is alone there.
    Some(unsafe { &mut *place })
}

/// Begins with a segment.
#[inline(always)]
pub(crate) fn begin_segment(socket: u64, at: u32, len: u32) {
    hello_begin(socket, at, len);
}

/// What the reader wants.
#[inline(always)]
pub(crate) fn wanted(socket: u64) -> Want {
    let wanted = hello_wanted(socket);
    let low = wanted as u32;
    match wanted >> 56 {
        WORD => Want::Word(low, (wanted >> 32) as u32 & 0xff),
        PART => Want::End(Read::Part),
        WHOLE => Want::End(Read::Whole),
        _ => Want::Denied(denial(low)),
    }
}

/// Hands it what it wanted.
#[inline(always)]
pub(crate) fn take(socket: u64, word: u64) {
    hello_take(socket, word);
}

/// What stands in the highest byte of what [`hello_wanted`] says: the kind of [`Want`], of a denial with its reason lowest, of a word with
/// its offset lowest and its length above that.
const WORD: u64 = 0;
const PART: u64 = 1;
const WHOLE: u64 = 2;
const DENIED: u64 = 3;

#[inline(always)]
fn denial(code: u32) -> Reason {
    match code {
        code if code == Reason::NotTls as u32 => Reason::NotTls,
        code if code == Reason::NoServerName as u32 => Reason::NoServerName,
        code if code == Reason::ServerNameAddress as u32 => Reason::ServerNameAddress,
        code if code == Reason::EarlyData as u32 => Reason::EarlyData,
        _ => Reason::HelloUnreadable,
    }
}

// Functions with exported names, as in `view`.

/// Whether what was loaded for a socket is what was kept (1 or 0); see [`Sent::has`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_has(socket: u64, from: u32, to: u32) -> u32 {
    let (Some(sent), Some(piece)) = (piece(socket), piece(!socket)) else {
        return 0;
    };
    sent.has(piece, from, to) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_begin(socket: u64, at: u32, len: u32) -> u32 {
    if let Some(desk) = desk(socket) {
        desk.begin(at, len);
    }
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_wanted(socket: u64) -> u64 {
    let Some(desk) = desk(socket) else {
        return DENIED << 56;
    };
    match desk.reading.want() {
        Want::Word(at, len) => WORD << 56 | u64::from(len) << 32 | u64::from(at),
        Want::End(Read::Part) => PART << 56,
        Want::End(Read::Whole) => WHOLE << 56,
        Want::Denied(reason) => DENIED << 56 | reason as u64,
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_take(socket: u64, word: u64) -> u32 {
    if let Some(desk) = desk(socket)
        && let Err(reason) = desk.take_in(word)
    {
        desk.reading.fail(reason);
    }
    0
}
