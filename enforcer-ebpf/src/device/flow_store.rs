//! Connections without a socket of this host, by their addresses and ports. Aged here, as the daemon may be dead: each entry of the two hash maps has a
//! slot in a ring, and a new entry takes a random slot that is free or whose entry has expired.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::{bpf_get_prandom_u32, bpf_ktime_get_boot_ns};
use enforcer_common::Address;
use enforcer_common::layout::{
    DeviceFlowKey, FLOW_SLOTS, OpeningFlow, Slots, VerifiedFlow, slot_of,
};
use enforcer_common::tls::PartialFlow;

use super::maps::{
    DEVICE_CLAIMS, DEVICE_FLOW_RING, DEVICE_FLOWS, DEVICE_HELLOS, DEVICE_NEW_FLOW, DEVICE_SCRATCH,
    DEVICE_SYNS, DeviceScratch,
};

/// Idle time after which a verified connection can be displaced, in nanoseconds: a day; TCP's keep-alive probes come every two hours.
const FLOW_IDLE: u64 = 86_400_000_000_000;
/// The same for a connection whose ClientHello is not acknowledged: a minute.
const HELLO_IDLE: u64 = 60_000_000_000;

/// This CPU's memory for one segment.
#[inline(always)]
pub(super) fn scratch<'a>() -> Option<&'a mut DeviceScratch> {
    let scratch = DEVICE_SCRATCH.get_ptr_mut(0)?;
    // SAFETY: the pointer is to this CPU's entry, which no other program uses meanwhile.
    Some(unsafe { &mut *scratch })
}

/// Records a SYN, after which `first` is the sequence number of the first byte. Starts nothing: the server has to answer it.
#[inline(always)]
pub(super) fn opened(key: &DeviceFlowKey, first: u32) {
    // SAFETY: an entry that changes while it is read is that of one connection or of another.
    let known = unsafe { DEVICE_SYNS.get(key) };
    if known.is_some_and(|known| known.first == first) {
        return;
    }
    let opening = OpeningFlow {
        first,
        is_answered: 0,
        server_first: 0,
        reserved: 0,
    };
    // Without an entry, the server's answer discards what is known, and the connection's payload is denied.
    let _may_fail = DEVICE_SYNS.insert(key, &opening, 0);
}

/// A new connection, once the server has answered its SYN.
#[inline(always)]
pub(super) fn answered<'a>(key: &DeviceFlowKey) -> Option<&'a OpeningFlow> {
    // SAFETY: as above.
    let opening = unsafe { DEVICE_SYNS.get(key) }?;
    (opening.is_answered != 0).then_some(opening)
}

/// Records the server's SYN-ACK. One that answers no SYN that is known belongs to another connection with these addresses and ports, whose payload is
/// then denied.
#[inline(always)]
pub(super) fn answer(key: &DeviceFlowKey, acknowledged: u32, sequence: u32) {
    if let Some(opening) = DEVICE_SYNS.get_ptr_mut(key) {
        // SAFETY: an entry stays readable for the length of the program.
        let opening = unsafe { &mut *opening };
        if opening.first == acknowledged {
            opening.server_first = sequence.wrapping_add(1);
            opening.is_answered = 1;
            return;
        }
    } else if begins_at(key, acknowledged) {
        return;
    }
    let _may_be_none = DEVICE_SYNS.remove(key);
    let _may_be_none = DEVICE_HELLOS.remove(key);
    let _may_be_none = DEVICE_FLOWS.remove(key);
}

/// Whether the connection's first byte has this number: the server sends its SYN-ACK again until it is acknowledged.
#[inline(always)]
fn begins_at(key: &DeviceFlowKey, first: u32) -> bool {
    if let Some(flow) = verified(key) {
        return flow.begins_at(first);
    }
    partial(key).is_some_and(|partial| partial.flow.begins_at(first))
}

/// Records what the server has acknowledged, in a segment with its number `sequence`.
#[inline(always)]
pub(super) fn acknowledge(key: &DeviceFlowKey, acknowledged: u32, sequence: u32) {
    if let Some(flow) = verified(key) {
        flow.acknowledge(acknowledged);
    } else if let Some(partial) = partial(key) {
        partial.acknowledge(acknowledged, sequence);
    }
}

/// Lets the entry of a closed connection expire.
#[inline(always)]
pub(super) fn closed(key: &DeviceFlowKey) {
    if let Some(flow) = verified(key) {
        flow.last_seen = 0;
    }
    if let Some(partial) = partial(key) {
        partial.last_seen = 0;
    }
}

/// The connection whose ClientHello was verified and acknowledged.
#[inline(always)]
pub(super) fn verified<'a>(key: &DeviceFlowKey) -> Option<&'a mut VerifiedFlow> {
    let flow = DEVICE_FLOWS.get_ptr_mut(key)?;
    // SAFETY: an entry stays readable for the length of the program; each field is written at once.
    Some(unsafe { &mut *flow })
}

/// The connection whose ClientHello is not acknowledged.
#[inline(always)]
pub(super) fn partial<'a>(key: &DeviceFlowKey) -> Option<&'a mut PartialFlow> {
    let partial = DEVICE_HELLOS.get_ptr_mut(key)?;
    // SAFETY: an entry stays readable for the length of the program, and [`claim`] makes access to its flow state exclusive.
    Some(unsafe { &mut *partial })
}

/// Makes access to the state of a connection exclusive until [`release`]; `false` if it is in use.
#[inline(always)]
pub(super) fn claim(key: &DeviceFlowKey) -> bool {
    DEVICE_CLAIMS.insert(key, &0, BPF_NOEXIST.into()).is_ok()
}

#[inline(always)]
pub(super) fn release(key: &DeviceFlowKey) {
    let _is_there = DEVICE_CLAIMS.remove(key);
}

/// Begins a connection that the server has answered; `None` if there is no room. `ingress`: the device by which the frame came in, 0 for none.
#[inline(always)]
pub(super) fn begin<'a>(
    key: &DeviceFlowKey,
    destination: Address,
    opening: &OpeningFlow,
    ingress: u32,
) -> Option<&'a mut PartialFlow> {
    let new = DEVICE_NEW_FLOW.get(0)?;
    let known = partial(key).map(|partial| partial.slot);
    let slot = match known {
        Some(slot) => slot,
        None => take_slot(key, Slots::Partial, ingress)?,
    };
    let inserted = DEVICE_HELLOS.insert(key, new, 0);
    // A failure leaves the state of an earlier connection, which must not become this one's.
    let mut begun = if inserted.is_ok() { partial(key) } else { None };
    if let Some(partial) = &mut begun {
        partial.flow.begin(destination, opening.first);
        partial.server_first = opening.server_first;
        partial.last_seen = now();
        // Last: until then the entry has none, and counts as in use.
        partial.slot = slot;
    }
    if known.is_none() {
        device_release_slot(slot);
    }
    let partial = begun?;
    let _may_be_none = DEVICE_FLOWS.remove(key);
    let _is_there = DEVICE_SYNS.remove(key);
    Some(partial)
}

/// Moves a connection to those that are verified; without room it stays where it is. `ingress`: as for [`begin`].
#[inline(always)]
pub(super) fn promote(key: &DeviceFlowKey, verified: &mut VerifiedFlow, ingress: u32) {
    let Some(slot) = take_slot(key, Slots::Verified, ingress) else {
        return;
    };
    verified.slot = slot;
    let inserted = DEVICE_FLOWS.insert(key, verified, 0);
    device_release_slot(slot);
    if inserted.is_ok() {
        let _is_there = DEVICE_HELLOS.remove(key);
    }
}

/// Takes a slot, which stays this one's until it is released: before its entry is there, it looks free. `None` if eight random ones of the device's share
/// are all in use.
#[inline(always)]
fn take_slot(key: &DeviceFlowKey, slots: Slots, ingress: u32) -> Option<u32> {
    for _ in 0..8 {
        // SAFETY: the helper takes no pointer.
        let slot = slot_of(slots, ingress, unsafe { bpf_get_prandom_u32() });
        if device_take_slot(slot) != 0 {
            if DEVICE_FLOW_RING.set(slot, key, 0).is_ok() {
                return Some(slot);
            }
            device_release_slot(slot);
        }
    }
    None
}

/// Nanoseconds since boot.
#[inline(always)]
pub(super) fn now() -> u64 {
    // SAFETY: the helper takes no pointer.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// Digest of a connection, which no socket cookie equals.
#[inline(always)]
pub(super) fn digest(key: &DeviceFlowKey) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let words: *const u64 = core::ptr::from_ref(key).cast();
    for word in 0..size_of::<DeviceFlowKey>() / 8 {
        // SAFETY: within the key, which is an entry of a map and aligned as such.
        let word = unsafe { words.add(word).read() };
        hash = (hash ^ word).wrapping_mul(0x0100_0000_01b3);
        hash ^= hash >> 29;
    }
    hash | 1 << 63
}

// A function with an exported name, as in `policy_maps`.

/// Takes a slot if it is free and no other program is taking it (1 or 0).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn device_take_slot(slot: u32) -> u32 {
    if !claim(&claim_of(slot)) {
        return 0;
    }
    if device_slot_is_free(slot) != 0 {
        return 1;
    }
    release(&claim_of(slot));
    0
}

/// Lets others take a slot, if its entry is not there or goes.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn device_release_slot(slot: u32) -> u32 {
    release(&claim_of(slot));
    0
}

/// The key under which a slot is claimed: no connection has it.
#[inline(always)]
const fn claim_of(slot: u32) -> DeviceFlowKey {
    DeviceFlowKey {
        source: [0xff; 16],
        destination: [0xff; 16],
        device: slot,
        port: u32::MAX,
    }
}

/// Whether a slot of the ring is free (1 or 0), after removing its entry if that has expired. An entry that names another slot is not this one's.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn device_slot_is_free(slot: u32) -> u32 {
    let Some(key) = DEVICE_FLOW_RING.get(slot) else {
        return 0;
    };
    if slot < FLOW_SLOTS {
        let Some(flow) = verified(key).filter(|flow| flow.slot == slot) else {
            return 1;
        };
        if !is_expired(flow.last_seen, FLOW_IDLE) {
            return 0;
        }
        let _is_there = DEVICE_FLOWS.remove(key);
        return 1;
    }
    let Some(flow) = partial(key) else {
        return 1;
    };
    // Another program is about to set its slot, which is never 0.
    if flow.slot == 0 {
        return 0;
    }
    if flow.slot != slot {
        return 1;
    }
    if !is_expired(flow.last_seen, HELLO_IDLE) {
        return 0;
    }
    // Not while a program uses it: another connection could get its memory.
    if !claim(key) {
        return 0;
    }
    let _is_there = DEVICE_HELLOS.remove(key);
    release(key);
    1
}

/// Whether an entry can be displaced; 0 marks a closed connection.
#[inline(always)]
fn is_expired(last_seen: u64, idle: u64) -> bool {
    last_seen == 0 || now().wrapping_sub(last_seen) > idle
}
