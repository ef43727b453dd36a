//! Where a ClientHello is read: in memory of the CPU's, so that functions which take numbers alone can read on, and the verifier judges each
//! once and not at every field. What was read before lies with the socket, and goes back there.

use core::ptr;

use enforcer_common::Reason;
use enforcer_common::hello::{Keys, Read, Reading, Want};

use crate::maps::DESKS;
use crate::scratch::{self, HELLO, MAX_DESKS};

/// What lies there.
#[repr(C)]
pub(crate) struct Desk {
    reading: Reading,
    keys: Keys,
}

/// A free desk of this CPU: its number, and what lies there. Where others that this one interrupts are at all of them, a packet is denied,
/// and sent again. To be followed by [`leave`].
#[inline(always)]
pub(crate) fn enter() -> Option<(u32, &'static mut Desk)> {
    let number = (0..MAX_DESKS).find(|number| scratch::lock(HELLO.wrapping_add(*number)))?;
    Some((number, desk(number)?))
}

/// Lets the next one in.
#[inline(always)]
pub(crate) fn leave(number: u32) {
    scratch::leave(HELLO.wrapping_add(number));
}

#[inline(always)]
fn desk(number: u32) -> Option<&'static mut Desk> {
    let place = DESKS.get_ptr_mut(number)?;
    // SAFETY: a value of an array stays for as long as the program; any bytes are one of these, and whoever is at the desk is alone there.
    Some(unsafe { &mut *place })
}

impl Desk {
    #[inline(always)]
    pub(crate) fn put(&mut self, reading: &Reading, keys: &Keys) {
        copy(reading, &mut self.reading);
        copy(keys, &mut self.keys);
    }

    #[inline(always)]
    pub(crate) fn get(&self, reading: &mut Reading, keys: &mut Keys) {
        copy(&self.reading, reading);
        copy(&self.keys, keys);
    }
}

/// Copies word by word: the kernel's programs have no call for it, and the stack no room.
#[inline(always)]
fn copy<T>(from: &T, to: &mut T) {
    const { assert!(align_of::<T>() == 8 && size_of::<T>().is_multiple_of(8)) };
    let (from, to): (*const u64, *mut u64) = (ptr::from_ref(from).cast(), ptr::from_mut(to).cast());
    for word in 0..size_of::<T>() / 8 {
        // SAFETY: within both values, which are of whole aligned words. Volatile, so that it stays as many single words.
        unsafe { to.add(word).write_volatile(from.add(word).read_volatile()) };
    }
}

/// Begins with a segment.
#[inline(always)]
pub(crate) fn begin_segment(number: u32, at: u32, len: u32) {
    hello_begin(number, at, len);
}

/// What the reader wants.
#[inline(always)]
pub(crate) fn wanted(number: u32) -> Want {
    let wanted = hello_wanted(number);
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
pub(crate) fn take(number: u32, word: u64) -> Result<(), Reason> {
    match hello_take(number, word) {
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

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_begin(number: u32, at: u32, len: u32) -> u32 {
    if let Some(desk) = desk(number) {
        desk.reading.begin(at, len, &mut desk.keys);
    }
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hello_wanted(number: u32) -> u64 {
    let Some(desk) = desk(number) else {
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
extern "C" fn hello_take(number: u32, word: u64) -> u32 {
    let Some(desk) = desk(number) else {
        return Reason::HelloUnreadable as u32;
    };
    match desk.reading.take_in(word, &mut desk.keys) {
        Ok(()) => 0,
        Err(reason) => reason as u32,
    }
}
