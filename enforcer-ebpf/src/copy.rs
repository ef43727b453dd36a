//! Copies word by word: BPF programs have neither `memcpy` nor room on the stack.

use core::ptr;

/// Copies a value that consists of aligned words.
#[inline(always)]
pub(crate) fn copy<T>(from: &T, to: &mut T) {
    const { assert!(align_of::<T>() == 8) };
    // SAFETY: a value's size is a multiple of its alignment.
    unsafe {
        copy_words(
            ptr::from_ref(from).cast(),
            ptr::from_mut(to).cast(),
            size_of::<T>() / 8,
        )
    };
}

/// Words copied per iteration of the loop, of which the verifier checks each iteration.
const STRIDE: usize = 8;

/// Copies `words` words. Volatile, so that the compiler does not turn them into a call.
///
/// # Safety
/// Both pointers are valid and aligned for `words` words.
#[inline(always)]
pub(crate) unsafe fn copy_words(from: *const u64, to: *mut u64, words: usize) {
    let whole = words / STRIDE * STRIDE;
    for start in (0..whole).step_by(STRIDE) {
        for word in start..start + STRIDE {
            // SAFETY: within both, as the caller promises.
            unsafe { to.add(word).write_volatile(from.add(word).read_volatile()) };
        }
    }
    for word in whole..words {
        // SAFETY: as above.
        unsafe { to.add(word).write_volatile(from.add(word).read_volatile()) };
    }
}
