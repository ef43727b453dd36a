//! Where a DNS message is read: too big for a program's stack, and out of the verifier's sight.

use core::cell::Cell;
use core::hint::black_box;

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_skb_load_bytes};
use enforcer_common::dns::{MESSAGE_BYTES, Reading};
use enforcer_common::layout::NameEntry;

use crate::maps::{BUSY, SCRATCH};
use crate::packet::Packet;

/// Where questions are read, on their way out.
pub(crate) const OUTWARD: u32 = 0;
/// Where answers are read, on their way in.
pub(crate) const INWARD: u32 = 1;
/// How many there are of each CPU.
pub(crate) const SLOTS: u32 = 2;
/// How many can be in use at a time.
pub(crate) const MAX_BUSY: u32 = 1024;

/// One message at a time.
#[repr(C)]
pub(crate) struct Scratch {
    /// The allowed name that the message is about.
    pub(crate) entry: Cell<NameEntry>,
    /// The cgroup of the socket whose message it is.
    pub(crate) cgroup: Cell<u64>,
    pub(crate) reading: Reading,
}

/// The scratch `slot` of this CPU, for the functions that whoever entered it calls.
#[inline(always)]
pub(crate) fn scratch(slot: u32) -> Option<&'static Scratch> {
    let place = SCRATCH.get_ptr(slot)?;
    // SAFETY: a value of an array stays for as long as the program; nothing in it but cells and numbers, of which any bytes are one.
    Some(unsafe { &*place })
}

/// The scratch `slot` of this CPU, unless another program is in it. To be followed by [`leave`].
#[inline(always)]
pub(crate) fn enter(slot: u32) -> Option<&'static Scratch> {
    let scratch = scratch(slot)?;
    lock(slot).then_some(scratch)
}

/// Whether this CPU's place `slot` was free, and now is the caller's. To be followed by [`leave`].
#[inline(always)]
fn lock(slot: u32) -> bool {
    // One program may be interrupted by another, or have to give way to it, but stays on its CPU.
    BUSY.insert(&place(slot), &0, BPF_NOEXIST.into()).is_ok()
}

/// Lets the next one in.
#[inline(always)]
pub(crate) fn leave(slot: u32) {
    let _is_there = BUSY.remove(&place(slot));
}

#[inline(always)]
fn place(slot: u32) -> u32 {
    // SAFETY: the helper takes no pointer.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    cpu.wrapping_mul(SLOTS).wrapping_add(slot)
}

impl Scratch {
    /// Takes in what `packet` holds from `at` on, as much of it as is ever read.
    #[inline(always)]
    pub(crate) fn load(&self, packet: &Packet<'_>, at: u32) -> Option<()> {
        let length = packet.len().checked_sub(at).filter(|length| *length > 0)?;
        let most = MESSAGE_BYTES as u32;
        let length = if length > most { most } else { length };
        // The compiler sees that the mask takes nothing away, where the verifier sees it from the mask alone.
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
