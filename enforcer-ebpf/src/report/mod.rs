//! Counters and events. Nothing here can change a verdict, and everything here may fail.

pub(crate) mod counters;
pub(crate) mod dedup;
pub(crate) mod denied;
pub(crate) mod socket_denials;
#[cfg(feature = "device")]
pub(crate) mod socket_options;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
    bpf_get_current_uid_gid, bpf_get_socket_cookie, bpf_ktime_get_boot_ns,
};
use aya_ebpf::programs::{SkBuffContext, SockAddrContext, SockContext};
use enforcer_common::layout::{
    COUNTER_LOST, NAME_BYTES, NameKey, SocketOwner, attempt_counter, counter, digest,
};
use enforcer_common::{Address, Decision, Event, Flow, Hook, NamedEvent, Verdict};

use self::counters::count;
use self::dedup::{NOT_REPORTED, report_window};
use self::denied::{DEVICE_SHIFT, DeniedPacket, denied, facts};
use crate::copy::copy_words;
use crate::egress::Judged;
use crate::maps::{EVENTS, SOCKET_OWNERS};
use crate::policy_maps::{self, halves, joined};
use crate::sock_addr::is_connectionless;

/// Counts a packet that passes.
#[inline(always)]
pub(crate) fn passed(hook: Hook, decision: Decision) {
    count(counter(hook, decision.reason, false));
}

/// Counts a packet at a cgroup, and reports its denial. `audited`: denials are let through.
#[inline(always)]
pub(crate) fn packet(context: &SkBuffContext, judged: Judged<'_>, audited: bool) {
    let Judged {
        flow,
        decision,
        name,
    } = judged;
    if decision.verdict() == Verdict::Allow {
        passed(Hook::Egress, decision);
        return;
    }
    let DeniedPacket {
        facts,
        cgroup,
        cookie,
    } = denied(context, flow, decision, Hook::Egress, 0, audited);
    let [high, low] = halves(decision.destination);
    match name {
        None => drop(report_packet(facts, cgroup, cookie, high, low)),
        Some(name) => report_named(facts, cgroup, cookie, decision.destination, name),
    }
}

/// Reports the denial of a packet with the server name in it.
#[inline(always)]
fn report_named(facts: u64, cgroup: u64, cookie: u64, destination: Address, name: &NameKey) {
    let [high, low] = halves(destination);
    // Before the name is read: the compiler would otherwise keep all of its words on the stack across the call.
    let owner = owner(cookie);
    let words: *const u64 = name.as_ptr().cast();
    // SAFETY: within the key, which is aligned as a word is.
    let digest = digest((0..NAME_BYTES / 8).map(|word| unsafe { words.add(word).read() }));
    let who = (digest as u64) << 32 | owner.pid as u64;
    let window = report_window(facts, cgroup, high, low, who);
    if window == NOT_REPORTED {
        return;
    }
    let Some(mut record) = EVENTS.reserve_untyped::<NamedEvent>(0) else {
        count(COUNTER_LOST);
        return;
    };
    let place = record.as_mut_ptr();
    // SAFETY: the program owns the record until it submits it, and both parts of it are written.
    unsafe {
        write_event(
            &raw mut (*place).event,
            facts,
            cgroup,
            owner,
            destination,
            window,
            digest,
        );
        copy_words(
            name.as_ptr().cast(),
            (&raw mut (*place).name).cast(),
            NAME_BYTES / 8,
        );
    }
    record.submit(0);
}

/// Counts a `connect` call, and reports its denial. Connecting a datagram or raw socket sends nothing, and resolver libraries do it to sort addresses:
/// such a denial counts as a call, but not as an attempt, and is not reported.
#[inline(always)]
pub(crate) fn connect(context: &SockAddrContext, hook: Hook, flow: Flow, decision: Decision) {
    if is_connectionless(context) {
        count_call(hook, decision);
        return;
    }
    socket_denials::forget(cookie(context));
    send(context, hook, flow, decision);
}

/// Counts a `sendmsg` call, and reports its denial.
#[inline(always)]
pub(crate) fn send(context: &SockAddrContext, hook: Hook, flow: Flow, decision: Decision) {
    let audited = count_call(hook, decision);
    if decision.verdict() == Verdict::Allow {
        return;
    }
    count(attempt_counter(hook, decision.reason, audited));
    let [high, low] = halves(decision.destination);
    let facts = facts(hook, flow, decision, audited);
    if audited {
        socket_denials::note_call(cookie(context), high, low, facts);
    }
    report_attempt(facts, high, low);
}

#[inline(always)]
fn cookie(context: &SockAddrContext) -> u64 {
    // SAFETY: the context is the kernel's for the length of the program.
    unsafe { bpf_get_socket_cookie(context.as_ptr()) }
}

/// Counts a call; returns whether it was denied and let through.
#[inline(always)]
fn count_call(hook: Hook, decision: Decision) -> bool {
    let audited = decision.verdict() == Verdict::Deny && policy_maps::audits();
    count(counter(hook, decision.reason, audited));
    audited
}

/// Records which process opened a socket.
#[inline(always)]
pub(crate) fn record_owner(context: &SockContext) {
    // SAFETY: the context is the kernel's for the length of the program.
    let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
    let _may_fail = SOCKET_OWNERS.insert(&cookie, &current_owner(), 0);
}

#[inline(always)]
fn current_owner() -> SocketOwner {
    SocketOwner {
        pid: (bpf_get_current_pid_tgid() >> 32) as u32,
        uid: bpf_get_current_uid_gid() as u32,
        command: bpf_get_current_comm().unwrap_or_default(),
    }
}

/// Reports the denial of a packet. Exported for the verifier: see [`crate::policy_maps`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn report_packet(facts: u64, cgroup: u64, cookie: u64, high: u64, low: u64) -> u32 {
    denial(facts, cgroup, owner(cookie), joined(high, low));
    0
}

/// Reports the denial of a call. Exported like [`report_packet`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn report_attempt(facts: u64, high: u64, low: u64) -> u32 {
    // SAFETY: the helper takes no pointer.
    let cgroup = unsafe { bpf_get_current_cgroup_id() };
    denial(facts, cgroup, &current_owner(), joined(high, low));
    0
}

/// Sends an event unless the denial is only counted.
#[inline(always)]
fn denial(facts: u64, cgroup: u64, owner: &SocketOwner, destination: Address) {
    let [high, low] = halves(destination);
    let window = report_window(facts, cgroup, high, low, owner.pid as u64);
    if window == NOT_REPORTED {
        return;
    }
    let Some(mut record) = EVENTS.reserve_untyped::<Event>(0) else {
        count(COUNTER_LOST);
        return;
    };
    // SAFETY: the program owns the record until it submits it.
    unsafe {
        write_event(
            record.as_mut_ptr(),
            facts,
            cgroup,
            owner,
            destination,
            window,
            0,
        )
    };
    record.submit(0);
}

/// Owner of a socket.
#[inline(always)]
pub(crate) fn owner<'a>(cookie: u64) -> &'a SocketOwner {
    // SAFETY: an owner that is replaced while it is read gives a wrong name in a report at worst.
    unsafe { SOCKET_OWNERS.get(&cookie) }.unwrap_or(&UNKNOWN_OWNER)
}

/// An unknown owner.
static UNKNOWN_OWNER: SocketOwner = SocketOwner {
    pid: 0,
    uid: 0,
    command: [0; 16],
};

/// Writes an event without a source directly to the ring buffer: the stack has little room.
///
/// # Safety
/// `place` is valid for writes.
#[inline(always)]
pub(crate) unsafe fn write_event(
    place: *mut Event,
    facts: u64,
    cgroup: u64,
    owner: &SocketOwner,
    destination: Address,
    window: u64,
    name: u32,
) {
    // SAFETY: as the caller promises; every field is written.
    unsafe {
        // SAFETY: the helper takes no pointer.
        (&raw mut (*place).time).write(bpf_ktime_get_boot_ns());
        (&raw mut (*place).cgroup).write(cgroup);
        copy_words(
            halves(destination).map(u64::to_be).as_ptr(),
            (&raw mut (*place).destination).cast(),
            2,
        );
        copy_words([0; 2].as_ptr(), (&raw mut (*place).source).cast(), 2);
        (&raw mut (*place).pid).write(owner.pid);
        (&raw mut (*place).uid).write(owner.uid);
        copy_words(
            (&raw const owner.command).cast(),
            (&raw mut (*place).command).cast(),
            2,
        );
        (&raw mut (*place).window).write(window as u32);
        (&raw mut (*place).port).write(facts as u16);
        (&raw mut (*place).protocol).write((facts >> 16) as u8);
        (&raw mut (*place).hook).write((facts >> 32) as u8);
        (&raw mut (*place).reason).write((facts >> 24) as u8);
        (&raw mut (*place).audited).write((facts >> 40) as u8 & 1);
        (&raw mut (*place).reserved).write([0; 2]);
        (&raw mut (*place).name).write(name);
        (&raw mut (*place).device).write((facts >> DEVICE_SHIFT) as u32);
        (&raw mut (*place).padding).write(0);
    }
}
