//! Has the verifier forget what it knows of a number. It keeps apart whatever paths led to different ones, and Linux 5.10 does so with all
//! numbers once one is of consequence behind a call of another function.

use core::mem::{MaybeUninit, transmute_copy};

use enforcer_common::{Address, Flow, Transport};

use crate::view::{halves, joined};

/// The same flow.
#[inline(always)]
pub(crate) fn blurred(flow: Flow) -> Flow {
    let [high, low] = halves(flow.destination).map(blurred_word);
    Flow {
        destination: joined(high, low),
        transport: blurred_transport(flow.transport),
    }
}

const NOT_ZERO: u32 = 0x5a5a_a5a5;

/// What is written in parts to the stack and read as a whole is any number.
#[inline(always)]
fn blurred_word(word: u64) -> u64 {
    let mut place = MaybeUninit::<u64>::uninit();
    let parts = place.as_mut_ptr().cast::<u32>();
    // SAFETY: both parts are within the word, which is whole with them.
    unsafe {
        parts.write_volatile(word as u32 ^ NOT_ZERO);
        parts.add(1).write_volatile((word >> 32) as u32 ^ NOT_ZERO);
        place.as_ptr().read_volatile() ^ (NOT_ZERO as u64 | (NOT_ZERO as u64) << 32)
    }
}

#[inline(always)]
fn blurred_transport(transport: Transport) -> Transport {
    const { assert!(size_of::<Transport>() == 4) };
    let mut place = MaybeUninit::<u32>::uninit();
    let parts = place.as_mut_ptr().cast::<MaybeUninit<u16>>();
    // SAFETY: the parts are those of the value.
    unsafe {
        let [first, second]: [MaybeUninit<u16>; 2] = transmute_copy(&transport);
        parts.write_volatile(first);
        parts.add(1).write_volatile(second);
        let whole = place.as_ptr().cast::<MaybeUninit<u32>>().read_volatile();
        transmute_copy(&whole)
    }
}
