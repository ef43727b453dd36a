//! Counters and events. Nothing here can change a verdict, and everything here may fail.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
    bpf_get_current_uid_gid, bpf_get_socket_cookie, bpf_ktime_get_boot_ns, bpf_skb_cgroup_id,
};
use aya_ebpf::programs::{SkBuffContext, SockContext};
use enforcer_common::layout::{
    AddressKey, COUNTER_LOST, FOLD_WINDOW, Fold, FoldKey, Origin, counter,
};
use enforcer_common::{Decision, Event, Flow, Hook, Reason};

use crate::maps::{COUNTERS, EVENTS, FOLDS, ORIGINS};
use crate::view::{self, opaque};

/// What is counted and told of a decision, in numbers that the verifier cannot tell apart: one path through this module serves all.
struct Told {
    hook: Hook,
    reason: u32,
    protocol: u32,
    port: u32,
    destination: AddressKey,
}

impl Told {
    #[inline(always)]
    fn new(hook: Hook, flow: Flow, decision: Decision) -> Self {
        Self {
            hook,
            reason: opaque(decision.reason as u32),
            protocol: opaque(flow.transport.protocol() as u32),
            port: opaque(flow.transport.port() as u32),
            destination: decision.destination.key(),
        }
    }

    #[inline(always)]
    fn counter(&self) -> u32 {
        counter(self.hook, Reason::Local) + self.reason
    }

    #[inline(always)]
    fn denied(&self) -> bool {
        self.reason >= Reason::WrongPort as u32
    }
}

/// Counts a packet, and reports its denial.
#[inline(always)]
pub(crate) fn packet(context: &SkBuffContext, flow: Flow, decision: Decision) {
    let told = Told::new(Hook::Egress, flow, decision);
    count(told.counter());
    if !told.denied() {
        return;
    }
    // SAFETY: the context is the kernel's for the length of the program.
    let cgroup = unsafe { bpf_skb_cgroup_id(context.as_ptr().cast()) };
    // SAFETY: as above.
    let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
    // SAFETY: an origin that is replaced while it is read gives a wrong name in a report at worst.
    let origin = unsafe { ORIGINS.get(&cookie) }.copied().unwrap_or_default();
    denial(&told, cgroup, origin);
}

/// Counts a call, and reports its denial.
#[inline(always)]
pub(crate) fn attempt(hook: Hook, flow: Flow, decision: Decision) {
    let told = Told::new(hook, flow, decision);
    count(told.counter());
    if !told.denied() {
        return;
    }
    // SAFETY: the helper takes no pointer.
    let cgroup = unsafe { bpf_get_current_cgroup_id() };
    denial(&told, cgroup, current_origin());
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
        unsafe { *value += 1 };
    }
}

/// Sends an event, or adds the denial to the fold of one that was sent lately.
#[inline(always)]
fn denial(told: &Told, cgroup: u64, origin: Origin) {
    let key = FoldKey {
        cgroup,
        destination: told.destination,
        reason: told.reason as u64,
    };
    // SAFETY: the helper takes no pointer.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let fold = FOLDS.get_ptr_mut(&key);
    let mut folded = 0;
    if let Some(fold) = fold {
        // SAFETY: entries of a hash map stay readable for the length of the program; lost counts are harmless.
        let fold = unsafe { &mut *fold };
        fold.folded += 1;
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
        port: told.port as u16,
        protocol: told.protocol as u8,
        hook: told.hook as u8,
        reason: told.reason as u8,
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
