//! Has the verifier forget what it knows of a value, where paths come together that led to different ones: it would follow each to the end.
//! Linux 5.10 does so with all that it knows, from the first branch on that depends on something from before a call.

use core::mem::{MaybeUninit, transmute, transmute_copy};

use enforcer_common::{Decision, Flow, Reason, Transport};

use crate::view::{halves, joined};

/// The same flow.
#[inline(always)]
pub(crate) fn flow(flow: Flow) -> Flow {
    let [high, low] = halves(flow.destination).map(word);
    Flow {
        destination: joined(high, low),
        transport: transport(flow.transport),
    }
}

/// The same decision.
#[inline(always)]
pub(crate) fn decision(decision: Decision) -> Decision {
    let code = word(decision.reason as u64) as u8;
    Decision {
        // SAFETY: the code is that of the reason.
        reason: unsafe { transmute::<u8, Reason>(code) },
        destination: decision.destination,
    }
}

/// Has no byte of zero: that such a byte was written is remembered.
const MIXED: u32 = 0x5a5a_a5a5;

/// What is written to the stack in parts and read as a whole can be any number.
#[inline(always)]
fn word(word: u64) -> u64 {
    let mut place = MaybeUninit::<u64>::uninit();
    let parts = place.as_mut_ptr().cast::<u32>();
    // SAFETY: the parts are all of the word.
    let whole = unsafe {
        parts.write_volatile(word as u32 ^ MIXED);
        parts.add(1).write_volatile((word >> 32) as u32 ^ MIXED);
        place.as_ptr().read_volatile()
    };
    whole ^ (MIXED as u64 | (MIXED as u64) << 32)
}

#[inline(always)]
fn transport(transport: Transport) -> Transport {
    const { assert!(size_of::<Transport>() == size_of::<u32>()) };
    let mut place = MaybeUninit::<u32>::uninit();
    let parts = place.as_mut_ptr().cast::<MaybeUninit<u16>>();
    // SAFETY: the parts are all of the value.
    unsafe {
        let [first, second]: [MaybeUninit<u16>; 2] = transmute_copy(&transport);
        parts.write_volatile(first);
        parts.add(1).write_volatile(second);
        let whole = place.as_ptr().cast::<MaybeUninit<u32>>().read_volatile();
        transmute_copy(&whole)
    }
}
