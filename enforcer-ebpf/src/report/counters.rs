//! Per-CPU counters.

use crate::maps::COUNTERS;

/// Increments the counter at `index`, see [`enforcer_common::layout::counter`].
#[inline(always)]
pub(crate) fn count(index: u32) {
    if let Some(value) = COUNTERS.get_ptr_mut(index) {
        // SAFETY: the pointer is to this CPU's slot.
        unsafe { *value = (*value).wrapping_add(1) };
    }
}
