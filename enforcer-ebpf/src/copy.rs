//! Copies word by word: the kernel's programs have no call for it, and their stack no room.

use core::ptr;

/// Copies a value of whole aligned words.
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

/// Words that are copied one by one between two steps of a loop, which the verifier looks at one by one.
const STRIDE: usize = 8;

/// Copies `words` words. Volatile, so that they stay as many single words.
///
/// # Safety
/// Both are valid, aligned, and as long.
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
