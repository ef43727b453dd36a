//! Copies word by word: the kernel's programs have no call for it, and their stack no room.

/// Copies `N` words. Volatile, so that they stay as many single words.
///
/// # Safety
/// Both are valid, aligned, and as long.
#[inline(always)]
pub(crate) unsafe fn copy_words<const N: usize>(from: *const [u64; N], to: *mut [u64; N]) {
    let (from, to): (*const u64, *mut u64) = (from.cast(), to.cast());
    for word in 0..N {
        // SAFETY: within both, as the caller promises.
        unsafe { to.add(word).write_volatile(from.add(word).read_volatile()) };
    }
}
