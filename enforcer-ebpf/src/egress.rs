//! The path of a packet to its verdict: parse, decide, check the ClientHello.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::programs::SkBuffContext;
use enforcer_common::layout::NameKey;
use enforcer_common::{
    Decision, Flow, PacketError, Transport, Verdict, decide_packet, established_v4, established_v6,
    read_ipv4, read_ipv6,
};

use crate::policy_maps::KernelPolicy;
use crate::skb::{IPV4, IPV6, Packet};
use crate::tls::flow::{self, NonTcpSocket};
use crate::trace::{self, Step};
use crate::verifier;

/// A judged packet.
pub(crate) struct Judged<'a> {
    /// Its flow, as far as it could be parsed.
    pub(crate) flow: Flow,
    pub(crate) decision: Decision,
    /// The server name that it is denied for, if any.
    pub(crate) name: Option<&'a NameKey>,
}

/// Judges the packet: parse, decide, check the ClientHello.
#[inline(always)]
pub(crate) fn judge<'a>(context: &SkBuffContext, non_tcp: NonTcpSocket) -> Judged<'a> {
    let packet = Packet(context);
    let read = match packet.protocol() {
        IPV4 => read_ipv4(&packet),
        IPV6 => read_ipv6(&packet),
        _ => Err(PacketError::NoHeader),
    };
    // Not `map`: it would be compiled to a separate function.
    let read = match read {
        Ok(flow) => Ok(verifier::forget_flow_bounds(flow)),
        Err(error) => Err(error),
    };
    trace::step(Step::Header(packet.version(), read));
    let decision = decide_packet(read, &KernelPolicy(&packet));
    trace::step(Step::Decision(decision));
    let parsed = read.unwrap_or(Flow {
        destination: decision.destination,
        transport: Transport::Hidden(0),
    });
    let decision = verifier::forget_decision_bounds(decision);
    let (decision, name) = flow::check_client_hello(&packet, parsed, decision, non_tcp);
    Judged {
        flow: parsed,
        decision: verifier::forget_decision_bounds(decision),
        name,
    }
}

/// Returns the decision on a packet of a verified connection that needs no new look-up: most of the traffic to allowed addresses.
#[inline(always)]
pub(crate) fn verified(context: &SkBuffContext) -> Option<Decision> {
    let packet = Packet(context);
    let (destination, sequence) = match packet.protocol() {
        IPV4 => established_v4(&packet),
        IPV6 => established_v6(&packet),
        _ => None,
    }?;
    let reason = flow::verified(&packet, destination, sequence)?;
    Some(Decision {
        reason,
        destination,
    })
}

/// Stores verdict and reason in the control buffer, from which a test run reads them.
#[inline(always)]
pub(crate) fn leave_reason(context: &mut SkBuffContext, decision: Decision) {
    let denied = decision.verdict() == Verdict::Deny;
    // SAFETY: the context points to the kernel's `__sk_buff` for the length of the program, and the verifier allows
    // cgroup_skb programs to write the control buffer.
    unsafe { (*context.as_ptr().cast::<__sk_buff>()).cb[0] = decision.reason as u32 };
    // SAFETY: as above.
    unsafe { (*context.as_ptr().cast::<__sk_buff>()).cb[1] = denied as u32 };
}
