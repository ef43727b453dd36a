//! Scratch memory for one DNS message: too large for a program's stack, and without bounds for the verifier to track.

use core::hint::black_box;

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_skb_load_bytes};
use enforcer_common::dns::MESSAGE_BYTES;

use crate::maps::{DNS_SCRATCH, DNS_SCRATCH_CLAIMS, DNS_SCRATCH_SLOTS, DnsScratch};
use crate::skb::Packet;

/// Slot for queries, at egress.
pub(crate) const EGRESS: u32 = 0;
/// Slot for answers, at ingress.
pub(crate) const INGRESS: u32 = 1;

/// This CPU's scratch memory `slot`, for functions that its claimant calls.
#[inline(always)]
pub(crate) fn scratch(slot: u32) -> Option<&'static DnsScratch> {
    let place = DNS_SCRATCH.get_ptr(slot)?;
    // SAFETY: array values stay for the length of the program; this one consists of cells and numbers, for which any bytes are valid.
    Some(unsafe { &*place })
}

/// Claims this CPU's scratch memory `slot`, unless another program has it. Must be followed by [`release`].
#[inline(always)]
pub(crate) fn claim(slot: u32) -> Option<&'static DnsScratch> {
    let scratch = scratch(slot)?;
    lock(slot).then_some(scratch)
}

/// Claims this CPU's `slot`; returns whether it was free.
#[inline(always)]
fn lock(slot: u32) -> bool {
    // A program may be interrupted or preempted by another, but stays on its CPU.
    DNS_SCRATCH_CLAIMS
        .insert(&key(slot), &0, BPF_NOEXIST.into())
        .is_ok()
}

/// Frees the slot.
#[inline(always)]
pub(crate) fn release(slot: u32) {
    let _is_there = DNS_SCRATCH_CLAIMS.remove(&key(slot));
}

#[inline(always)]
fn key(slot: u32) -> u32 {
    // SAFETY: the helper takes no pointer.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    cpu.wrapping_mul(DNS_SCRATCH_SLOTS).wrapping_add(slot)
}

impl DnsScratch {
    /// Copies the packet's bytes from `at` on, at most [`MESSAGE_BYTES`].
    #[inline(always)]
    pub(crate) fn load(&self, packet: &Packet<'_>, at: u32) -> Option<()> {
        let length = packet.len().checked_sub(at).filter(|length| *length > 0)?;
        let most = MESSAGE_BYTES as u32;
        let length = if length > most { most } else { length };
        // Without `black_box` the compiler would drop the mask, which the verifier needs.
        let last = black_box(length.wrapping_sub(1)) & (most - 1);
        let length = last.wrapping_add(1);
        let buffer = self.reading.buffer().as_ptr().cast_mut();
        // SAFETY: the buffer holds `MESSAGE_BYTES`, and cells may be written through shared references.
        let status = unsafe { bpf_skb_load_bytes(packet.raw().cast(), at, buffer.cast(), length) };
        if status != 0 {
            return None;
        }
        self.reading.set_length(length);
        Some(())
    }
}
