//! Denied packets: their counters, and what their reports are about.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_skb_cgroup_id};
use aya_ebpf::programs::SkBuffContext;
use enforcer_common::layout::{attempt_counter, counter};
use enforcer_common::{DEVICE_INDEXES, Decision, Flow, Hook};

use super::counters::count;
use super::socket_denials;
use crate::policy_maps::halves;

/// A denied packet, for its report.
pub(crate) struct DeniedPacket {
    /// As for [`report_window`].
    pub(crate) facts: u64,
    /// Cgroup of its socket; 0 without one.
    pub(crate) cgroup: u64,
    /// Cookie of its socket; 0 without one.
    pub(crate) cookie: u64,
}

/// Counts a denied packet. `device`: interface index, 0 at the hooks of a cgroup.
#[inline(always)]
pub(crate) fn denied(
    context: &SkBuffContext,
    flow: Flow,
    decision: Decision,
    hook: Hook,
    device: u32,
    audited: bool,
) -> DeniedPacket {
    count(counter(hook, decision.reason, audited));
    // SAFETY: the context is the kernel's for the length of the program.
    let cgroup = unsafe { bpf_skb_cgroup_id(context.as_ptr().cast()) };
    // SAFETY: as above.
    let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
    let [high, low] = halves(decision.destination);
    let facts = facts(hook, flow, decision, audited) | u64::from(device) << DEVICE_SHIFT;
    if socket_denials::begins_attempt(cookie, high, low, facts) != 0 {
        count(attempt_counter(hook, decision.reason, audited));
    }
    DeniedPacket {
        facts,
        cgroup,
        cookie,
    }
}

/// Lowest bit of the interface index in [`facts`].
pub(super) const DEVICE_SHIFT: u32 = 41;
const _: () = assert!(DEVICE_INDEXES == 1 << (u64::BITS - DEVICE_SHIFT));

/// Facts of a denial besides the address, in one number: the interface index; from byte 5 down the audited flag, hook, reason, protocol, and the port in two bytes.
#[inline(always)]
pub(super) fn facts(hook: Hook, flow: Flow, decision: Decision, audited: bool) -> u64 {
    let (protocol, port) = (flow.transport.protocol(), flow.transport.port());
    (audited as u64) << 40
        | (hook as u64) << 32
        | (decision.reason as u64) << 24
        | (protocol as u64) << 16
        | port as u64
}
