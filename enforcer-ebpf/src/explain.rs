//! [`crate::hooks::egress`] for test runs: without telemetry, with the reason in the control buffer. Never attached.

use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::SkBuffContext;

use crate::tls::flow::NonTcpSocket;
use crate::trace::{self, Step};
use crate::{PASS, egress, enforce};

/// Judges a packet.
#[cfg(not(feature = "trace"))]
#[cgroup_skb(egress)]
#[inline(always)]
fn explain(context: SkBuffContext) -> i32 {
    judge(context)
}

/// As `explain`, with a record of each step.
#[cfg(feature = "trace")]
#[cgroup_skb(egress)]
#[inline(always)]
fn explain_trace(context: SkBuffContext) -> i32 {
    judge(context)
}

#[inline(always)]
fn judge(mut context: SkBuffContext) -> i32 {
    let decision = match egress::verified(&context) {
        Some(decision) => decision,
        None => egress::judge(&context, NonTcpSocket::FirstSegment).decision,
    };
    egress::leave_reason(&mut context, decision);
    let code = enforce(decision);
    trace::step(Step::Verdict(decision, code == PASS));
    code
}
