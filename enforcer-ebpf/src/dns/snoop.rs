//! Answers of resolvers to marked sockets: grants their addresses before the application reads them.

use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use aya_ebpf::programs::SkBuffContext;
use enforcer_common::dns::{Kind, MAX_RECORDS, PORT, Reply};
use enforcer_common::layout::{AddressGrant, NameEntry};
use enforcer_common::{Address, Class, ObservationOutcome, PolicyView as _};

use super::budget::add_grant;
use super::client::{number, pending};
use super::name::{query_word, walk_name};
use super::observation::report;
use super::scratch::{INGRESS, claim, release, scratch};
use crate::maps::DnsScratch;
use crate::policy_maps::{halves, settings};
use crate::skb::Packet;
use crate::sock_addr::POLICY;

/// Returned by [`read_answer`] for an unusable answer.
const UNUSABLE: u32 = u32::MAX;

/// Snoops the packet if it is the answer to a pending query of its socket.
#[inline(always)]
pub(crate) fn observe(context: &SkBuffContext) {
    let _most_are_no_answers = snoop(&Packet(context));
}

#[inline(always)]
fn snoop(packet: &Packet<'_>) -> Option<()> {
    let segment = packet.segment()?;
    if segment.is_tcp || segment.source_port != PORT || settings().snooping.enabled == 0 {
        return None;
    }
    let pending = pending(packet)?;
    let server = number(segment.source?);
    if server == 0 {
        return None;
    }
    let scratch = claim(INGRESS)?;
    scratch.cgroup.set(packet.cgroup());
    let word = scratch
        .load(packet, segment.data)
        .and_then(|()| query_word(INGRESS, server));
    if word.is_some_and(|word| pending.take(word)) {
        take_answer(INGRESS);
    }
    release(INGRESS);
    Some(())
}

/// Grants the addresses of the answer in scratch `slot`, and reports each to the daemon.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_answer(slot: u32) -> u32 {
    let found = read_answer(slot);
    if found == UNUSABLE {
        report(slot, ObservationOutcome::Unusable, 0, 0, 0);
        return 0;
    }
    if found == 0 {
        return 0;
    }
    for index in 0..MAX_RECORDS as u32 {
        if take_address(slot, index) == 0 {
            break;
        }
    }
    0
}

/// Number of addresses in the answer of scratch `slot`, or [`UNUSABLE`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn read_answer(slot: u32) -> u32 {
    let Some(scratch) = scratch(slot) else {
        return 0;
    };
    let reading = &scratch.reading;
    match reading.answers(|_| read_record(slot) != 0, |_| follow_alias(slot) != 0) {
        Reply::Addresses(found) => found,
        Reply::Nothing => 0,
        Reply::Unusable => UNUSABLE,
    }
}

/// Reads the next record of the answer in scratch `slot`; 0 if that makes the answer unusable.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn read_record(slot: u32) -> u32 {
    let walk = |_: &_| {
        walk_name(slot);
    };
    scratch(slot).is_some_and(|scratch| scratch.reading.record(walk)) as u32
}

/// Follows one alias of the CNAME chain in scratch `slot`; 0 at its end.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn follow_alias(slot: u32) -> u32 {
    scratch(slot).is_some_and(|scratch| scratch.reading.follow()) as u32
}

/// Grants an address of the answer in scratch `slot`, and reports it to the daemon; 0 if there is no such address.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_address(slot: u32, index: u32) -> u32 {
    let Some(scratch) = scratch(slot) else {
        return 0;
    };
    let Some((key, ttl)) = scratch.reading.address(index) else {
        return 0;
    };
    let entry = scratch.entry.get();
    let address = Address::from_v6(u128::from_be_bytes(key));
    let outcome = if is_in_tag(scratch, &entry, address) {
        grant(&entry, address)
    } else {
        ObservationOutcome::Unchecked
    };
    let [high, low] = halves(address);
    report(slot, outcome, ttl, high, low);
    1
}

/// Whether an address is in the service tag of the name, and needs no further check.
#[inline(always)]
fn is_in_tag(scratch: &DnsScratch, entry: &NameEntry, address: Address) -> bool {
    let has = |flag| entry.flags & flag != 0;
    let is_inside_other = scratch.reading.kind() == Kind::Aaaa && address.v4().is_some();
    // Without a check of server names, the address alone would keep a forged answer from leading elsewhere.
    if has(NameEntry::ASK_DAEMON) || has(NameEntry::UNCHECKED) || is_inside_other {
        return false;
    }
    match POLICY.class(address) {
        Class::Registry => has(NameEntry::IN_REGISTRY_TAG),
        Class::Storage => has(NameEntry::IN_STORAGE_TAG),
        Class::Unprotected
        | Class::Exempt
        | Class::Configured
        | Class::Nat64(_)
        | Class::Unknown => false,
    }
}

#[inline(always)]
fn grant(entry: &NameEntry, address: Address) -> ObservationOutcome {
    let is_registry = entry.flags & NameEntry::REGISTRY != 0;
    let scope = if is_registry { 0 } else { entry.cgroup };
    // SAFETY: the helper takes no pointer.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let mut deadline = now.saturating_add(settings().snooping.linger);
    if !is_registry {
        if entry.deadline < deadline {
            deadline = entry.deadline;
        }
        if scope == 0 || deadline <= now {
            return ObservationOutcome::Unchecked;
        }
    }
    let [high, low] = halves(address);
    // Add the name first: an address alone grants nothing.
    let is_written = add_grant(scope, high, low, entry.id, deadline) != 0
        && add_grant(scope, high, low, AddressGrant::ADDRESS, deadline) != 0;
    if is_written {
        ObservationOutcome::Allowed
    } else {
        ObservationOutcome::Full
    }
}
