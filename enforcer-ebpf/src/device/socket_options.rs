//! Calls of `setsockopt` after which packets would pass the other programs unseen, or change after their verdict.

use aya_ebpf::helpers::{bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id};
use aya_ebpf::programs::{LsmContext, SockoptContext};
use enforcer_common::layout::{BYPASS_ADDRESS, DeviceMode, OPTIONS_DEVICE, ScopedAddress};
use enforcer_common::{Address, BypassOption, Decision, Reason, Verdict};

use super::egress::device;
use crate::maps::EXC_ADDRESSES;
use crate::policy_maps::{self, first_scope, is_ahead};
use crate::report::socket_options::{self, Caller};
use crate::{DROP, PASS};

/// Bytes of a value that the kernel shows to programs, at least.
const PAGE: i32 = 4096;

/// Judges the call that a program of `cgroup/setsockopt` sees.
#[inline(always)]
pub(super) fn judge_call(context: &SockoptContext, caller: Caller) -> i32 {
    // SAFETY: the context points to the kernel's `bpf_sockopt` for the length of the program.
    let (level, option) = unsafe { ((*context.sockopt).level, (*context.sockopt).optname) };
    // SAFETY: as above.
    let len = unsafe { (*context.sockopt).optlen };
    if len > PAGE {
        // The kernel then takes the value from the caller; otherwise it refuses a longer one (Linux 5.10).
        // SAFETY: as above.
        unsafe { (*context.sockopt).optlen = 0 };
    }
    judge(level, option, caller)
}

/// Judges the call that the LSM hook `socket_setsockopt` sees.
#[inline(always)]
pub(super) fn judge_lsm(context: &LsmContext) -> i32 {
    judge(context.arg(1), context.arg(2), Caller::Known)
}

#[inline(always)]
fn judge(level: i32, option: i32, caller: Caller) -> i32 {
    let Some(option) = BypassOption::of(level, option) else {
        return PASS;
    };
    let decision = decide(caller);
    let is_audited = is_audited();
    let code = match decision.verdict() {
        Verdict::Allow => PASS,
        Verdict::Deny if is_audited => PASS,
        Verdict::Deny => DROP,
    };
    socket_options::report(option, decision, is_audited, caller);
    code
}

/// The option is refused, but for a cgroup whose exception says otherwise.
#[inline(always)]
fn decide(caller: Caller) -> Decision {
    let is_excepted = match caller {
        Caller::Known => {
            // SAFETY: the helper takes no pointer. A level below that of the process's cgroup gives 0.
            let ancestor = |level| unsafe { bpf_get_current_ancestor_cgroup_id(level) };
            first_scope(ancestor, |cgroup| {
                (may_bypass_devices(cgroup) != 0).then_some(())
            })
            .is_some()
        }
        // SAFETY: the helper takes no pointer.
        Caller::CgroupOnly => may_bypass_devices(unsafe { bpf_get_current_cgroup_id() }) != 0,
    };
    Decision {
        reason: if is_excepted {
            Reason::ExceptionPrefix
        } else {
            Reason::BypassOption
        },
        destination: Address::from_v6(u128::from_be_bytes(BYPASS_ADDRESS)),
    }
}

/// Whether denials are only reported. Without an entry they are enforced.
#[inline(always)]
fn is_audited() -> bool {
    policy_maps::audits()
        || device(OPTIONS_DEVICE).is_some_and(|device| device.mode == DeviceMode::Audit as u32)
}

// A function with an exported name, as in `policy_maps`.

/// Whether an exception lets processes of `cgroup` send past the programs of network devices (1 or 0).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn may_bypass_devices(cgroup: u64) -> u32 {
    let key = ScopedAddress::new(cgroup, BYPASS_ADDRESS);
    // SAFETY: a deadline that changes while it is read is the old or the new one.
    let deadline = unsafe { EXC_ADDRESSES.get(&key) }.copied();
    u32::from(deadline.is_some_and(is_ahead))
}
