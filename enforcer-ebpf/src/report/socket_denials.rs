//! Distinguishes a new attempt from further packets of a denied one. For counters only: no verdict depends on it. Exported functions, as in
//! [`crate::policy_maps`], since the stack of the egress program has no room left.

use enforcer_common::layout::{SocketDenial, digest};

use crate::maps::SOCKET_DENIALS;

/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// Whether a denied packet is the first of an attempt (1 or 0). TCP retransmits the segments of a denied connection; any other packet is a new
/// attempt unless the call that sent it was counted. So is a packet without a socket. `facts`: see [`crate::report`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn begins_attempt(cookie: u64, high: u64, low: u64, facts: u64) -> u32 {
    let destination = digest_of(high, low, facts);
    if cookie == 0 {
        return 1;
    }
    // SAFETY: an entry that changes while it is read gives a wrong count at worst.
    if let Some(denial) = unsafe { SOCKET_DENIALS.get(&cookie) } {
        let is_tcp = (facts >> 16) as u8 == TCP;
        if denial.destination == destination && (is_tcp || denial.by_call != 0) {
            return 0;
        }
    }
    note(cookie, destination, 0);
    1
}

/// Records that a call was counted whose packets follow.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn note_call(cookie: u64, high: u64, low: u64, facts: u64) -> u32 {
    note(cookie, digest_of(high, low, facts), 1);
    0
}

/// Discards the last denial of a socket that connects again.
#[inline(always)]
pub(crate) fn forget(cookie: u64) {
    let _most_have_none = SOCKET_DENIALS.remove(&cookie);
}

#[inline(always)]
fn note(cookie: u64, destination: u32, by_call: u32) {
    let denial = SocketDenial {
        destination,
        by_call,
    };
    let _may_fail = SOCKET_DENIALS.insert(&cookie, &denial, 0);
}

/// Digest of a destination; the port is in the lowest two bytes of `facts`.
#[inline(always)]
fn digest_of(high: u64, low: u64, facts: u64) -> u32 {
    digest([high, low, facts & 0xffff].into_iter())
}
