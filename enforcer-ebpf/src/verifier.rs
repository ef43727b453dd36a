//! Makes the verifier forget the bounds of a value at which several paths join: it would otherwise verify the rest of the program once for each value.
//! Linux 5.10 does so for everything it knows, from the first branch on that depends on a value from before a call.

use core::mem::{MaybeUninit, transmute, transmute_copy};

use enforcer_common::{Decision, Flow, Reason, Transport};

use crate::policy_maps::{halves, joined};

/// Returns the same flow with unknown bounds.
#[inline(always)]
pub(crate) fn forget_flow_bounds(flow: Flow) -> Flow {
    let [high, low] = halves(flow.destination).map(forget);
    Flow {
        destination: joined(high, low),
        transport: transport(flow.transport),
    }
}

/// Returns the same decision with unknown bounds.
#[inline(always)]
pub(crate) fn forget_decision_bounds(decision: Decision) -> Decision {
    let code = forget(decision.reason as u64) as u8;
    Decision {
        // SAFETY: the code is that of the reason.
        reason: unsafe { transmute::<u8, Reason>(code) },
        destination: decision.destination,
    }
}

/// A word without zero bytes: the verifier tracks zero bytes on the stack.
#[cfg(not(feature = "device"))]
const MIXED: u32 = 0x5a5a_a5a5;

/// Passes a value through a function that the verifier checks by itself, so that it assumes any number: the stack of the device programs has no room
/// left.
#[cfg(feature = "device")]
#[inline(always)]
pub(crate) fn forget(word: u64) -> u64 {
    any_number(word)
}

#[cfg(feature = "device")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn any_number(word: u64) -> u64 {
    core::hint::black_box(word)
}

/// Writes a value to the stack in parts and reads it back whole: the verifier assumes any number.
#[cfg(not(feature = "device"))]
#[inline(always)]
pub(crate) fn forget(word: u64) -> u64 {
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
