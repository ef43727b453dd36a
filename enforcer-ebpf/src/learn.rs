//! Answers of DNS servers to marked sockets: opens their addresses before anybody reads them.

use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use aya_ebpf::programs::SkBuffContext;
use enforcer_common::dns::{Kind, MAX_RECORDS, PORT, Reply};
use enforcer_common::layout::{NAME_BYTES, NameEntry, Opening};
use enforcer_common::{Address, Class, Lesson, NamedLesson, Outcome, PolicyView as _};

use crate::asker::{asked, number};
use crate::attempt::POLICY;
use crate::budget::{cgroup_of, extend};
use crate::copy::copy_words;
use crate::lookup::{asked_word, walk_name};
use crate::maps::EVENTS;
use crate::packet::Packet;
use crate::scratch::{INWARD, Scratch, enter, leave, scratch};
use crate::view::{halves, joined, settings};

/// What [`read_answer`] says of an answer that is unusable.
const UNUSABLE: u32 = u32::MAX;

/// Learns from the packet at hand, if it is an answer to a question that its socket asked.
#[inline(always)]
pub(crate) fn answer(context: &SkBuffContext) {
    let _most_are_none = learn(&Packet(context));
}

#[inline(always)]
fn learn(packet: &Packet<'_>) -> Option<()> {
    let segment = packet.segment()?;
    if segment.is_tcp || segment.source_port != PORT || settings().learning.enabled == 0 {
        return None;
    }
    let asked = asked(packet)?;
    let server = number(segment.source?);
    if server == 0 {
        return None;
    }
    let scratch = enter(INWARD)?;
    scratch.cgroup.set(cgroup_of(packet));
    let word = scratch
        .load(packet, segment.data)
        .and_then(|()| asked_word(INWARD, server));
    if word.is_some_and(|word| asked.take(word)) {
        take_answer(INWARD);
    }
    leave(INWARD);
    Some(())
}

/// Opens what the answer in scratch `slot` says, and tells the daemon.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_answer(slot: u32) -> u32 {
    let found = read_answer(slot);
    if found == UNUSABLE {
        tell(slot, Outcome::Unusable, 0, 0, 0);
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

/// How many addresses the answer in scratch `slot` gives, or [`UNUSABLE`].
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

/// Reads the next record of the answer in scratch `slot`; 0 where it makes the answer unusable.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn read_record(slot: u32) -> u32 {
    let walk = |_: &_| {
        walk_name(slot);
    };
    scratch(slot).is_some_and(|scratch| scratch.reading.record(walk)) as u32
}

/// Goes one alias on along the chain of the answer in scratch `slot`; 0 where there is no further one.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn follow_alias(slot: u32) -> u32 {
    scratch(slot).is_some_and(|scratch| scratch.reading.follow()) as u32
}

/// Opens an address of the answer in scratch `slot`, and tells the daemon; 0 where there is no such address.
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
    let outcome = if fits(scratch, &entry, address) {
        open(&entry, address)
    } else {
        Outcome::Unchecked
    };
    let [high, low] = halves(address);
    tell(slot, outcome, ttl, high, low);
    1
}

/// Whether an address lies where the name has its addresses. What needs more checks than this does not.
#[inline(always)]
fn fits(scratch: &Scratch, entry: &NameEntry, address: Address) -> bool {
    let has = |flag| entry.flags & flag != 0;
    let is_inside_other = scratch.reading.kind() == Kind::Aaaa && address.v4().is_some();
    // Where names in handshakes do not count, an address is all that stands between a forged answer and whoever is behind it.
    if has(NameEntry::ASK_DAEMON) || has(NameEntry::UNCHECKED) || is_inside_other {
        return false;
    }
    match POLICY.class(address) {
        Class::Registry => has(NameEntry::IN_REGISTRY_TAG),
        Class::Storage => has(NameEntry::IN_STORAGE_TAG),
        Class::Open | Class::Exempt | Class::Configured | Class::Nat64(_) | Class::Unknown => false,
    }
}

#[inline(always)]
fn open(entry: &NameEntry, address: Address) -> Outcome {
    let is_registry = entry.flags & NameEntry::REGISTRY != 0;
    let scope = if is_registry { 0 } else { entry.cgroup };
    // SAFETY: the helper takes no pointer.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let mut deadline = now.saturating_add(settings().learning.linger);
    if !is_registry {
        if entry.deadline < deadline {
            deadline = entry.deadline;
        }
        if scope == 0 || deadline <= now {
            return Outcome::Unchecked;
        }
    }
    let [high, low] = halves(address);
    // The name first: an address without one is open to nobody.
    let is_written = extend(scope, high, low, entry.id, deadline) != 0
        && extend(scope, high, low, Opening::ADDRESS, deadline) != 0;
    if is_written {
        Outcome::Learned
    } else {
        Outcome::Full
    }
}

/// Tells the daemon what came of the message in scratch `slot`.
#[inline(always)]
pub(crate) fn tell(slot: u32, outcome: Outcome, ttl: u32, high: u64, low: u64) {
    match outcome {
        Outcome::Learned => tell_learned(slot, ttl, high, low),
        Outcome::Unusable | Outcome::Unchecked | Outcome::Full => {
            tell_unlearned(slot, outcome as u32, ttl, high, low)
        }
    };
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn tell_learned(slot: u32, ttl: u32, high: u64, low: u64) -> u32 {
    if let Some(scratch) = scratch(slot) {
        let lesson = lesson(scratch, Outcome::Learned as u32, ttl, joined(high, low));
        let _may_fail = EVENTS.output_untyped(&lesson, 0);
    }
    0
}

/// With the name that was asked for: the daemon is to ask for it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn tell_unlearned(slot: u32, outcome: u32, ttl: u32, high: u64, low: u64) -> u32 {
    let Some(scratch) = scratch(slot) else {
        return 0;
    };
    let Some(mut record) = EVENTS.reserve_untyped::<NamedLesson>(0) else {
        return 0;
    };
    let lesson = lesson(scratch, outcome, ttl, joined(high, low));
    let place = record.as_mut_ptr();
    // SAFETY: the record is the program's own until it is submitted, and both parts of it are written; cells have the layout of what they
    // hold, and nobody writes the key meanwhile.
    unsafe {
        (&raw mut (*place).lesson).write(lesson);
        copy_words(
            scratch.reading.key().as_ptr().cast(),
            (&raw mut (*place).name).cast(),
            NAME_BYTES / 8,
        );
    }
    record.submit(0);
    0
}

#[inline(always)]
fn lesson(scratch: &Scratch, outcome: u32, ttl: u32, address: Address) -> Lesson {
    Lesson {
        // SAFETY: the helper takes no pointer.
        time: unsafe { bpf_ktime_get_boot_ns() },
        cgroup: scratch.cgroup.get(),
        address: address.key(),
        name: scratch.entry.get().id,
        ttl,
        outcome,
        reserved: 0,
    }
}
