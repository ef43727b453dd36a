//! Counters and events. Nothing here can change a verdict, and everything here may fail.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
    bpf_get_current_uid_gid, bpf_get_socket_cookie, bpf_ktime_get_boot_ns, bpf_skb_cgroup_id,
};
use aya_ebpf::programs::{SkBuffContext, SockContext};
use enforcer_common::layout::{COUNTER_LOST, FOLD_WINDOW, Fold, FoldKey, Origin, counter};
use enforcer_common::{Address, Decision, Event, Flow, Hook, Verdict};

use crate::maps::{COUNTERS, EVENTS, FOLDS, ORIGINS};
use crate::view::{self, halves, joined};

/// Counts a packet, and reports its denial.
#[inline(always)]
pub(crate) fn packet(context: &SkBuffContext, flow: Flow, decision: Decision) {
    count(counter(Hook::Egress, decision.reason));
    if decision.verdict() == Verdict::Allow {
        return;
    }
    // SAFETY: the context is the kernel's for the length of the program.
    let cgroup = unsafe { bpf_skb_cgroup_id(context.as_ptr().cast()) };
    // SAFETY: as above.
    let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
    let [high, low] = halves(decision.destination);
    report_packet(
        facts(Hook::Egress, flow, decision),
        cgroup,
        cookie,
        high,
        low,
    );
}

/// Counts a call, and reports its denial.
#[inline(always)]
pub(crate) fn attempt(hook: Hook, flow: Flow, decision: Decision) {
    count(counter(hook, decision.reason));
    if decision.verdict() == Verdict::Allow {
        return;
    }
    let [high, low] = halves(decision.destination);
    report_attempt(facts(hook, flow, decision), high, low);
}

/// Remembers which process opens a socket.
#[inline(always)]
pub(crate) fn remember_origin(context: &SockContext) {
    // SAFETY: the context is the kernel's for the length of the program.
    let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
    let _may_fail = ORIGINS.insert(&cookie, &current_origin(), 0);
}

#[inline(always)]
fn current_origin() -> Origin {
    Origin {
        pid: (bpf_get_current_pid_tgid() >> 32) as u32,
        uid: bpf_get_current_uid_gid() as u32,
        command: bpf_get_current_comm().unwrap_or_default(),
    }
}

#[inline(always)]
fn count(index: u32) {
    if let Some(value) = COUNTERS.get_ptr_mut(index) {
        // SAFETY: the pointer is this CPU's own slot.
        unsafe { *value = (*value).wrapping_add(1) };
    }
}

/// What is told of a denial besides the address, in one number: from byte 4 down hook, reason, protocol, and the port in two.
#[inline(always)]
fn facts(hook: Hook, flow: Flow, decision: Decision) -> u64 {
    let (protocol, port) = (flow.transport.protocol(), flow.transport.port());
    (hook as u64) << 32 | (decision.reason as u64) << 24 | (protocol as u64) << 16 | port as u64
}

/// Reports the denial of a packet. Exported for the verifier's sake, as [`crate::view`] says.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn report_packet(facts: u64, cgroup: u64, cookie: u64, high: u64, low: u64) -> u32 {
    // SAFETY: an origin that is replaced while it is read gives a wrong name in a report at worst.
    let origin = unsafe { ORIGINS.get(&cookie) }.copied().unwrap_or_default();
    denial(facts, cgroup, origin, joined(high, low));
    0
}

/// Reports the denial of a call. Exported as [`report_packet`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn report_attempt(facts: u64, high: u64, low: u64) -> u32 {
    // SAFETY: the helper takes no pointer.
    let cgroup = unsafe { bpf_get_current_cgroup_id() };
    denial(facts, cgroup, current_origin(), joined(high, low));
    0
}

/// Sends an event, or adds the denial to the fold of one that was sent lately.
#[inline(always)]
fn denial(facts: u64, cgroup: u64, origin: Origin, destination: Address) {
    let reason = (facts >> 24) as u8;
    let key = FoldKey {
        cgroup,
        destination: destination.key(),
        reason: reason as u64,
    };
    // SAFETY: the helper takes no pointer.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let fold = FOLDS.get_ptr_mut(&key);
    let mut folded = 0;
    if let Some(fold) = fold {
        // SAFETY: entries of a hash map stay readable for the length of the program; lost counts are harmless.
        let fold = unsafe { &mut *fold };
        fold.folded = fold.folded.wrapping_add(1);
        if now.wrapping_sub(fold.reported) < FOLD_WINDOW {
            return;
        }
        folded = fold.folded.saturating_sub(1);
    }
    let event = Event {
        time: now,
        cgroup,
        destination: key.destination,
        pid: origin.pid,
        uid: origin.uid,
        command: origin.command,
        folded: folded as u32,
        port: facts as u16,
        protocol: (facts >> 16) as u8,
        hook: (facts >> 32) as u8,
        reason,
        audited: view::audits() as u8,
        reserved: [0; 6],
    };
    if EVENTS.output(&event, 0).is_err() {
        count(COUNTER_LOST);
        return;
    }
    let reported = Fold {
        reported: now,
        folded: 0,
    };
    let _may_fail = FOLDS.insert(&key, &reported, 0);
}
