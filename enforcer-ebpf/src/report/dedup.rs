//! Deduplication of denials: the first of each key in a window is reported. All others are counted: under their key, or for their cgroup if its token
//! bucket is empty.

use core::arch::asm;

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use enforcer_common::layout::{
    COUNTER_LOST, COUNTER_SUPPRESSED, DedupEntry, DedupKey, REPORT_BURST, REPORT_INTERVAL,
    SEVERAL_CGROUPS, SuppressedKey, window,
};

use super::counters::count;
use crate::maps::{DENIAL_DEDUP, REPORT_RATES, SUPPRESSED};
use crate::policy_maps::joined;

/// Returned instead of a window (32 bits) to send no record.
pub(crate) const NOT_REPORTED: u64 = u64::MAX;

/// In the facts of a denial, in the byte of the hook: `who` has the digest of a source address instead of a process id.
pub(crate) const FROM_SOURCE: u64 = 1 << 39;
/// The remainder of that byte.
const HOOK: u32 = 0x7f;

/// Returns the window of a denial to report, and counts any other. `who`: digest of the server name in the upper half, process id in the
/// lower. Exported for the verifier: see [`crate::policy_maps`].
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
    let [pid, source] = match facts & FROM_SOURCE {
        0 => [who as u32, 0],
        _ => [0, who as u32],
    };
    let key = DedupKey {
        cgroup,
        destination: joined(high, low).key(),
        pid,
        name: (who >> 32) as u32,
        window: window(now),
        port: facts as u16,
        protocol: (facts >> 16) as u8,
        reason: (facts >> 24) as u8,
        audited: (facts >> 40) as u32 & 1,
        source,
    };
    if is_counted(&key) {
        return NOT_REPORTED;
    }
    if take_token(cgroup, now) {
        let first = DedupEntry {
            denials: 1,
            hook: (facts >> 32) as u32 & HOOK,
            reserved: 0,
        };
        if DENIAL_DEDUP
            .insert(&key, &first, BPF_NOEXIST.into())
            .is_ok()
        {
            return key.window as u64;
        }
        // Another CPU may have inserted it.
        if is_counted(&key) {
            return NOT_REPORTED;
        }
    }
    suppress(cgroup, key.window, key.audited);
    NOT_REPORTED
}

/// Counts a denial under its key if one was reported in this window.
#[inline(always)]
fn is_counted(key: &DedupKey) -> bool {
    let Some(entry) = DENIAL_DEDUP.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: entries of a hash map stay valid for the length of the program.
    increment(unsafe { &raw mut (*entry).denials });
    true
}

/// Takes a token from the cgroup's bucket (generic cell rate algorithm, ITU-T I.371). CPUs that race may take the same token.
#[inline(always)]
fn take_token(cgroup: u64, now: u64) -> bool {
    // SAFETY: a time that changes while it is read is the old or the new one.
    let debt = unsafe { REPORT_RATES.get(&cgroup) }.copied().unwrap_or(0);
    let from = if debt > now { debt } else { now };
    if from.wrapping_sub(now) > (REPORT_BURST - 1) * REPORT_INTERVAL {
        return false;
    }
    let _may_fail = REPORT_RATES.insert(&cgroup, &from.wrapping_add(REPORT_INTERVAL), 0);
    true
}

/// Counts a denial for its cgroup, or for [`SEVERAL_CGROUPS`] if the map is full.
#[inline(always)]
fn suppress(cgroup: u64, window: u32, audited: u32) {
    count(COUNTER_SUPPRESSED);
    if suppress_for(cgroup, window, audited) == 0
        && suppress_for(SEVERAL_CGROUPS, window, audited) == 0
    {
        count(COUNTER_LOST);
    }
}

/// Exported like [`report_window`]; 0 if the map is full.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn suppress_for(cgroup: u64, window: u32, audited: u32) -> u32 {
    let key = SuppressedKey {
        cgroup,
        window,
        audited,
    };
    let is_added = || {
        let Some(denials) = SUPPRESSED.get_ptr_mut(&key) else {
            return false;
        };
        increment(denials);
        true
    };
    u32::from(is_added() || SUPPRESSED.insert(&key, &1, BPF_NOEXIST.into()).is_ok() || is_added())
}

/// Atomic increment. `core` has none for this target; the instruction is older than Linux 4.10.
#[inline(always)]
fn increment(place: *mut u64) {
    // SAFETY: the callers pass a value of a map, which is aligned and valid for the length of the program.
    unsafe {
        asm!("lock *(u64 *)({place} + 0) += {one}", place = in(reg) place, one = in(reg) 1_u64)
    };
}
