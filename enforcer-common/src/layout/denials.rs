//! Counters, and what keeps reports of denials few: deduplication windows and token buckets.

use super::AddressKey;
use crate::event::Hook;
use crate::reason::Reason;

/// Length of a deduplication window in nanoseconds. The first denial of each [`FoldKey`] in a window is reported, the others are counted.
pub const FOLD_WINDOW: u64 = 10_000_000_000;

/// The deduplication window that `time` (nanoseconds since boot) lies in. No program changes an entry of a window that is over, so the daemon
/// reads and removes it without losing a count.
#[inline(always)]
pub const fn window(time: u64) -> u32 {
    (time / FOLD_WINDOW) as u32
}

/// Reports that a cgroup may make at once.
pub const REPORT_BURST: u64 = 256;
/// Time after which a cgroup may make one report more, in nanoseconds.
pub const REPORT_INTERVAL: u64 = 100_000_000;

/// Counters of one kind: one for each hook and reason.
const PLANE: u32 = Hook::COUNT * Reason::COUNT;
/// The index of the counter of denials whose record found the ring buffer full.
pub const COUNTER_LOST: u32 = 4 * PLANE;
/// The index of the counter of denials that the token bucket or full maps kept from a report of their own.
pub const COUNTER_WITHHELD: u32 = COUNTER_LOST + 1;
/// Entries of [`super::COUNTERS`].
pub const MAX_COUNTERS: u32 = COUNTER_WITHHELD + 1;

/// The index in [`super::COUNTERS`] of the packets or calls that `hook` decided for `reason`. `audited`: denials that were let through.
#[inline(always)]
pub const fn counter(hook: Hook, reason: Reason, audited: bool) -> u32 {
    audited as u32 * PLANE + hook as u32 * Reason::COUNT + reason as u32
}

/// The same for attempts: of the packets of one denied TCP connection, only the first counts.
#[inline(always)]
pub const fn attempt_counter(hook: Hook, reason: Reason, audited: bool) -> u32 {
    2 * PLANE + counter(hook, reason, audited)
}

/// What denials in one window have in common that are reported together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct FoldKey {
    /// The cgroup id.
    pub cgroup: u64,
    /// As [`crate::Address::key`].
    pub destination: AddressKey,
    /// The process (thread group); 0 where it is not known.
    pub pid: u32,
    /// [`digest`] of the server name; 0 where there is none.
    pub name: u32,
    /// See [`window`].
    pub window: u32,
    /// The destination port; 0 where there is none.
    pub port: u16,
    /// The IP protocol number.
    pub protocol: u8,
    /// The code of the [`Reason`].
    pub reason: u8,
    /// 1 where the denial was let through.
    pub audited: u32,
    /// Zero.
    pub reserved: u32,
}

/// The denials of one [`FoldKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Fold {
    /// How many, with the one that was reported.
    pub denials: u64,
    /// The code of the [`Hook`] that reported.
    pub hook: u32,
    /// Zero.
    pub reserved: u32,
}

/// Whose denials are counted without a report of their own, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct WithheldKey {
    /// The cgroup id; 0 for all that have no room of their own.
    pub cgroup: u64,
    /// See [`window`].
    pub window: u32,
    /// 1 where the denials were let through.
    pub audited: u32,
}

/// The last denied destination of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct SocketDenial {
    /// [`digest`] of address and port; 0 for none.
    pub destination: u32,
    /// 1 where a call was counted as the attempt, so that the packets that follow from it are none.
    pub by_call: u32,
}

/// Tells server names and destinations apart, well enough for reports: FNV-1a over words in the place of bytes, never 0.
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
    assert!(size_of::<FoldKey>() == 48);
    assert!(size_of::<Fold>() == 16);
    assert!(size_of::<WithheldKey>() == 16);
    assert!(size_of::<SocketDenial>() == 8);
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_counters_share_an_index() {
        let mut indices = HashSet::from([COUNTER_LOST, COUNTER_WITHHELD]);
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
