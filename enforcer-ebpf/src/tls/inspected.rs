//! Compares a payload with the bytes that the packet hook inspected.

use aya_ebpf::bindings::BPF_NOEXIST;
use enforcer_common::tls::SentBytes;

use super::connection::{Payload, load};
use super::scratch;
use crate::maps::RETRANSMIT_SCRATCH;

/// Copies `len` bytes at packet offset `at` beside a copy of `sent`, and compares them with those recorded from `from` on; `None` if the scratch memory
/// with this key is in use, the map is full, or the packet is too short.
#[inline(always)]
pub(crate) fn matches_payload(
    packet: &impl Payload,
    sent: &SentBytes,
    from: u32,
    at: u32,
    len: u32,
) -> Option<bool> {
    let key = packet.scratch_key();
    RETRANSMIT_SCRATCH
        .insert(&key, sent, BPF_NOEXIST.into())
        .ok()?;
    let loaded = RETRANSMIT_SCRATCH.get_ptr_mut(&key).and_then(|copy| {
        // SAFETY: an entry stays readable for the length of the program, and the key makes access exclusive.
        let copy = unsafe { &mut *copy };
        load(packet, copy, SentBytes::incoming(from), at, len)
    });
    let matches =
        loaded.map(|()| scratch::hello_retransmission(key, from, from.wrapping_add(len)) != 0);
    let _is_there = RETRANSMIT_SCRATCH.remove(&key);
    matches
}
