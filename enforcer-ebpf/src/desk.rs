//! Where a ClientHello is read: in a map, under its socket's cookie, so that functions which take numbers alone can read on, and the verifier
//! judges each once and not at every field. What was read before lies with the socket, and goes back there.

use aya_ebpf::bindings::BPF_NOEXIST;
use enforcer_common::Reason;
use enforcer_common::hello::{Desk, Read, Sent, Want};

use crate::copy::copy;
use crate::maps::{DESKS, REPEATS};
use crate::packet::Packet;

/// How many sockets can be at desks at a time: a process may be interrupted, or have to give way, while it is at one.
pub(crate) const MAX_DESKS: u32 = 1024;
/// How many of them can be sending again.
pub(crate) const MAX_REPEATS: u32 = 256;

/// Lays `desk` down for the packet's socket, whose cookie it gives. A socket sends one packet at a time, so nobody else is there. To be
/// followed by [`leave`].
#[inline(always)]
pub(crate) fn enter(packet: &Packet<'_>, desk: &Desk) -> Option<u64> {
    let socket = packet.cookie();
    DESKS.insert(&socket, desk, BPF_NOEXIST.into()).ok()?;
    Some(socket)
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

/// As [`Sent::has`], of what the packet's socket sent; `None` where there is no room.
#[inline(always)]
pub(crate) fn is_again(packet: &Packet<'_>, sent: &Sent, from: u32, to: u32) -> Option<bool> {
    let socket = packet.cookie();
    REPEATS.insert(&socket, sent, BPF_NOEXIST.into()).ok()?;
    let is_again = hello_again(socket, from, to) != 0;
    let _is_there = REPEATS.remove(&socket);
    Some(is_again)
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

/// Whether what a socket sends again is what was kept (1 or 0).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_again(socket: u64, from: u32, to: u32) -> u32 {
    let Some(sent) = REPEATS.get_ptr(&socket) else {
        return 0;
    };
    // SAFETY: as in `desk`.
    u32::from(unsafe { (*sent).has(from, to) })
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
