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
/// How many pieces of segments can lie beside them.
pub(crate) const MAX_PIECES: u32 = MAX_DESKS;

/// Lays `desk` down for the packet's socket, whose cookie it gives. A socket sends one packet at a time, so nobody else is there. To be
/// followed by [`leave`].
#[inline(always)]
pub(crate) fn enter(packet: &Packet<'_>, desk: &Desk) -> Option<u64> {
    // SAFETY: the context is the kernel's for the length of the program.
    let socket = unsafe { bpf_get_socket_cookie(packet.0.as_ptr()) };
    DESKS.insert(&socket, desk, 0).ok()?;
    Some(socket)
}

/// Holds what of the packet was sent before against what was kept of it, and keeps the rest. False, too, where there is no room.
#[inline(always)]
pub(crate) fn hold(packet: &Packet<'_>, socket: u64, sent: Span, desk: &mut Desk) -> bool {
    let span = sent.piece();
    let [from, known, to] = sent.kept();
    let is_same = load(packet, socket, span).is_some()
        && hello_has(socket, span.offset, from, known) != 0
        && hello_keep(socket, span.offset, known, to) != 0;
    let _may_be_there = PIECES.remove(&socket);
    if let Some(place) = self::desk(socket)
        && known < to
    {
        copy(&place.sent, &mut desk.sent);
    }
    is_same
}

#[inline(always)]
fn load(packet: &Packet<'_>, socket: u64, span: Span) -> Option<()> {
    PIECES.insert(&socket, &desk(socket)?.sent, 0).ok()?;
    let place = PIECES.get_ptr_mut(&socket)?;
    // SAFETY: the entry is this socket's alone, and stays for as long as the program.
    let place = unsafe { (*place).as_mut_ptr() };
    // The compiler sees that the mask takes nothing away, where the verifier sees it from the mask alone.
    let last = black_box(span.len.wrapping_sub(1)) & (KEPT - 1);
    // SAFETY: there is room for `KEPT` bytes, and any bytes are good ones.
    let status = unsafe {
        bpf_skb_load_bytes(
            packet.raw().cast(),
            span.at,
            place.cast(),
            last.wrapping_add(1),
        )
    };
    (status == 0).then_some(())
}

/// Takes back what else lies there.
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
pub(crate) fn take(socket: u64, word: u64) -> Result<(), Reason> {
    match hello_take(socket, word) {
        0 => Ok(()),
        code => Err(denial(code)),
    }
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
        _ => Reason::HelloUnreadable,
    }
}

// Functions with exported names, as in `view`.

/// Whether the bytes of the socket's piece are those that were kept (1 or 0); see [`Sent::has`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_has(socket: u64, base: u32, from: u32, to: u32) -> u32 {
    let (Some(desk), Some(piece)) = (desk(socket), piece(socket)) else {
        return 0;
    };
    desk.sent.has(piece, base, from, to) as u32
}

/// Keeps bytes of the socket's piece.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_keep(socket: u64, base: u32, from: u32, to: u32) -> u32 {
    let (Some(desk), Some(piece)) = (desk(socket), piece(socket)) else {
        return 0;
    };
    desk.sent.keep(piece, base, from, to);
    1
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
    let Some(desk) = desk(socket) else {
        return Reason::HelloUnreadable as u32;
    };
    match desk.take_in(word) {
        Ok(()) => 0,
        Err(reason) => reason as u32,
    }
}
