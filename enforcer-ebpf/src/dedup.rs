//! Which denials are reported. All others are counted: under their key, or for their cgroup where its token bucket is empty.

use core::arch::asm;

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use enforcer_common::layout::{
    COUNTER_LOST, COUNTER_WITHHELD, Fold, FoldKey, REPORT_BURST, REPORT_INTERVAL, WithheldKey,
    window,
};

use crate::maps::{FOLDS, REPORT_RATES, WITHHELD};
use crate::report::count;
use crate::view::joined;

/// In place of a window: no record is sent. Windows have 32 bits.
pub(crate) const NOT_REPORTED: u64 = u64::MAX;

/// The window of a denial that is to be reported. `who`: the digest of the server name above the process. Exported for the verifier's sake,
/// as [`crate::view`] says.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn report_window(
    facts: u64,
    cgroup: u64,
    high: u64,
    low: u64,
    who: u64,
) -> u64 {
    // SAFETY: the helper takes no pointer.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let key = FoldKey {
        cgroup,
        destination: joined(high, low).key(),
        pid: who as u32,
        name: (who >> 32) as u32,
        window: window(now),
        port: facts as u16,
        protocol: (facts >> 16) as u8,
        reason: (facts >> 24) as u8,
        audited: (facts >> 40) as u8 as u32,
        reserved: 0,
    };
    if is_counted(&key) {
        return NOT_REPORTED;
    }
    if take_token(cgroup, now) {
        let first = Fold {
            denials: 1,
            hook: (facts >> 32) as u8 as u32,
            reserved: 0,
        };
        if FOLDS.insert(&key, &first, BPF_NOEXIST.into()).is_ok() {
            return key.window as u64;
        }
        // Another processor may have been first.
        if is_counted(&key) {
            return NOT_REPORTED;
        }
    }
    withhold(cgroup, key.window, key.audited);
    NOT_REPORTED
}

/// Adds a denial to those of its key, where one was reported.
#[inline(always)]
fn is_counted(key: &FoldKey) -> bool {
    let Some(fold) = FOLDS.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: entries of a hash map stay valid for the length of the program.
    increment(unsafe { &raw mut (*fold).denials });
    true
}

/// Takes a token from the cgroup's bucket (generic cell rate algorithm, ITU-T I.371). Processors that come at once may take the same one.
#[inline(always)]
fn take_token(cgroup: u64, now: u64) -> bool {
    // SAFETY: a time that changes while it is read is one of two good ones.
    let debt = unsafe { REPORT_RATES.get(&cgroup) }.copied().unwrap_or(0);
    let from = if debt > now { debt } else { now };
    if from.wrapping_sub(now) > (REPORT_BURST - 1) * REPORT_INTERVAL {
        return false;
    }
    let _may_fail = REPORT_RATES.insert(&cgroup, &from.wrapping_add(REPORT_INTERVAL), 0);
    true
}

/// Counts a denial for its cgroup, or for all others where the map is full.
#[inline(always)]
fn withhold(cgroup: u64, window: u32, audited: u32) {
    count(COUNTER_WITHHELD);
    if withhold_for(cgroup, window, audited) == 0 && withhold_for(0, window, audited) == 0 {
        count(COUNTER_LOST);
    }
}

/// Exported as [`report_window`]; 0 where there is no room.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn withhold_for(cgroup: u64, window: u32, audited: u32) -> u32 {
    let key = WithheldKey {
        cgroup,
        window,
        audited,
    };
    let is_added = || {
        let Some(denials) = WITHHELD.get_ptr_mut(&key) else {
            return false;
        };
        increment(denials);
        true
    };
    u32::from(is_added() || WITHHELD.insert(&key, &1, BPF_NOEXIST.into()).is_ok() || is_added())
}

/// Adds 1 whatever other processors add meanwhile. `core` has no such operation for this target; the instruction is older than Linux 4.10.
#[inline(always)]
fn increment(place: *mut u64) {
    // SAFETY: the callers pass a value of a map, which is aligned and valid for the length of the program.
    unsafe {
        asm!("lock *(u64 *)({place} + 0) += {one}", place = in(reg) place, one = in(reg) 1_u64)
    };
}
