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

/// Copies `words` words. Volatile, so that they stay as many single words.
///
/// # Safety
/// Both are valid, aligned, and as long.
#[inline(always)]
pub(crate) unsafe fn copy_words(from: *const u64, to: *mut u64, words: usize) {
    for word in 0..words {
        // SAFETY: within both, as the caller promises.
        unsafe { to.add(word).write_volatile(from.add(word).read_volatile()) };
    }
}
