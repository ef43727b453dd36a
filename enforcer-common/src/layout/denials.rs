//! Counters, and the limits on reports of denials: deduplication windows and token buckets.

use super::names::AddressKey;
use crate::hook::Hook;
use crate::reason::Reason;

/// Length of a deduplication window in nanoseconds. The first denial of each [`DedupKey`] in a window is reported, the others are counted.
pub const DEDUP_WINDOW: u64 = 10_000_000_000;

/// The deduplication window of `time` (nanoseconds since boot). No program changes an entry of a past window, so the daemon reads and removes it without
/// losing a count.
#[inline(always)]
pub const fn window(time: u64) -> u32 {
    (time / DEDUP_WINDOW) as u32
}

/// Reports that a cgroup may make in a burst.
pub const REPORT_BURST: u64 = 256;
/// Time after which a cgroup may make one more report, in nanoseconds.
pub const REPORT_INTERVAL: u64 = 100_000_000;

/// Counters of one kind: one for each hook and reason.
const PLANE: u32 = Hook::COUNT * Reason::COUNT;
/// Index of the counter of denials whose record did not fit into the ring buffer.
pub const COUNTER_LOST: u32 = 4 * PLANE;
/// Index of the counter of denials without a separate report, because of the token bucket or a full map.
pub const COUNTER_SUPPRESSED: u32 = COUNTER_LOST + 1;
/// Entries of [`super::COUNTERS`].
pub const MAX_COUNTERS: u32 = COUNTER_SUPPRESSED + 1;

/// The index in [`super::COUNTERS`] of the packets or calls that `hook` decided for `reason`. `audited`: a denial that was let through.
#[inline(always)]
pub const fn counter(hook: Hook, reason: Reason, audited: bool) -> u32 {
    audited as u32 * PLANE + hook as u32 * Reason::COUNT + reason as u32
}

/// The same for attempts: of the packets of one denied TCP connection, only the first counts.
#[inline(always)]
pub const fn attempt_counter(hook: Hook, reason: Reason, audited: bool) -> u32 {
    2 * PLANE + counter(hook, reason, audited)
}

/// Common fields of the denials that are reported once per window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct DedupKey {
    /// The cgroup id.
    pub cgroup: u64,
    /// As [`crate::Address::key`].
    pub destination: AddressKey,
    /// The process (thread group); 0 if unknown.
    pub pid: u32,
    /// [`digest`] of the server name; 0 if there is none.
    pub name: u32,
    /// See [`window`].
    pub window: u32,
    /// The destination port; 0 if there is none.
    pub port: u16,
    /// The IP protocol number.
    pub protocol: u8,
    /// The code of the [`Reason`].
    pub reason: u8,
    /// 1 if the denial was let through.
    pub audited: u32,
    /// [`digest`] of the source address of a frame without a socket; 0 for all others.
    pub source: u32,
}

/// The denials of one [`DedupKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct DedupEntry {
    /// Their number, including the reported one.
    pub denials: u64,
    /// Code of the reporting [`Hook`].
    pub hook: u32,
    /// Zero.
    pub reserved: u32,
}

/// Instead of a cgroup id in [`SuppressedKey`]: any of them.
pub const SEVERAL_CGROUPS: u64 = u64::MAX;

/// Cgroup and window of denials that are counted without a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct SuppressedKey {
    /// The cgroup id; 0 for frames without a socket, [`SEVERAL_CGROUPS`] for all that found the map full.
    pub cgroup: u64,
    /// See [`window`].
    pub window: u32,
    /// 1 if the denials were let through.
    pub audited: u32,
}

/// Last denied destination of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct SocketDenial {
    /// [`digest`] of address and port; 0 for none.
    pub destination: u32,
    /// 1 if a call was counted as the attempt, so that its packets are not.
    pub by_call: u32,
}

/// Digest of server names and addresses for reports: FNV-1a over words instead of bytes, never 0.
#[inline(always)]
pub fn digest(words: impl Iterator<Item = u64>) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for word in words {
        hash = (hash ^ word).wrapping_mul(0x0100_0000_01b3);
        hash ^= hash >> 32;
    }
    hash as u32 | 1
}

const _: () = {
    assert!(size_of::<DedupKey>() == 48);
    assert!(size_of::<DedupEntry>() == 16);
    assert!(size_of::<SuppressedKey>() == 16);
    assert!(size_of::<SocketDenial>() == 8);
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_counters_share_an_index() {
        let mut indices = HashSet::from([COUNTER_LOST, COUNTER_SUPPRESSED]);
        for hook in Hook::ALL {
            for reason in Reason::ALL {
                for audited in [false, true] {
                    assert!(indices.insert(counter(hook, reason, audited)));
                    assert!(indices.insert(attempt_counter(hook, reason, audited)));
                }
            }
        }
        assert!(indices.iter().all(|index| *index < MAX_COUNTERS));
    }
}
