//! Reports of socket options that are refused.

use aya_ebpf::helpers::bpf_get_current_cgroup_id;
use enforcer_common::layout::{attempt_counter, counter};
use enforcer_common::{BypassOption, Decision, Flow, Hook, Transport, Verdict};

use super::counters::count;
use super::{facts, report_attempt, report_packet};
use crate::policy_maps::halves;

/// What a program can find out about the process that calls.
#[derive(Clone, Copy)]
pub(crate) enum Caller {
    /// Process and cgroups.
    Known,
    /// Its cgroup only.
    CgroupOnly,
}

/// Counts a call that sets a socket option, and reports its denial.
#[inline(always)]
pub(crate) fn report(option: BypassOption, decision: Decision, audited: bool, caller: Caller) {
    let hook = Hook::Setsockopt;
    if decision.verdict() == Verdict::Allow {
        count(counter(hook, decision.reason, false));
        return;
    }
    count(counter(hook, decision.reason, audited));
    count(attempt_counter(hook, decision.reason, audited));
    let flow = Flow {
        destination: decision.destination,
        transport: Transport::Hidden(0),
    };
    // Its code in place of the port.
    let facts = facts(hook, flow, decision, audited) | u64::from(option as u16);
    let [high, low] = halves(decision.destination);
    match caller {
        Caller::Known => drop(report_attempt(facts, high, low)),
        Caller::CgroupOnly => {
            // SAFETY: the helper takes no pointer.
            let cgroup = unsafe { bpf_get_current_cgroup_id() };
            report_packet(facts, cgroup, 0, high, low);
        }
    }
}
