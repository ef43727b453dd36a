//! The path of a frame to its verdict.

use aya_ebpf::programs::SkBuffContext;
use enforcer_common::frame::Contents;
use enforcer_common::layout::{Device, DeviceMode, ForwardedMode, LinkHeader};
use enforcer_common::tls::TcpSegment;
use enforcer_common::{
    Address, Decision, Flow, Hook, PacketError, Reason, Transport, Verdict, decide_packet,
    decide_tunneled, read_ipv4, read_ipv6,
};

use super::frame::{Frame, Sender};
use super::maps::{DEVICE_FORWARDED, DEVICE_HEADERS, DEVICES};
use super::{denial, local, plain, socketless};
use crate::policy_maps::{self, KernelPolicy};
use crate::skb::Packet;
use crate::tls::flow::transport_at;
use crate::{report, verifier};

/// `TC_ACT_UNSPEC`: the next filter decides.
pub(super) const PASS: i32 = -1;
/// `TC_ACT_SHOT`: the frame is dropped.
pub(super) const DROP: i32 = 2;

/// Judges a frame, and returns what becomes of it.
#[inline(always)]
pub(super) fn judge(context: &SkBuffContext) -> i32 {
    let header = header_of(Packet(context).device());
    if let Some(header) = header
        && let Some(decision) = plain::decision(context, header)
    {
        report::passed(Hook::Device, decision);
        return PASS;
    }
    let Some((flow, decision)) = decision::<false>(context, header) else {
        return PASS;
    };
    if decision.verdict() == Verdict::Allow {
        report::passed(Hook::Device, decision);
        return PASS;
    }
    let index = Packet(context).device();
    let (code, is_audited) = match mode(index, Packet(context).ingress()) {
        ForwardedMode::Enforce => (DROP, false),
        ForwardedMode::Audit => (PASS, true),
        ForwardedMode::Pass => {
            denial::discard();
            return PASS;
        }
    };
    denial::report(context, flow, decision, index, is_audited);
    code
}

/// What happens to a denied frame of the device `index` that came in by `ingress`, 0 for none. An unknown device enforces.
#[inline(always)]
fn mode(index: u32, ingress: u32) -> ForwardedMode {
    // SAFETY: a mode that changes while it is read is the old or the new one.
    let origin = unsafe { DEVICE_FORWARDED.get(&ingress) };
    // A frame that goes back where it came from may be a container's that shares the card (IPVLAN).
    let origin = origin.filter(|_| ingress != index);
    let origin = origin.and_then(|code| ForwardedMode::from_code(*code));
    match origin.unwrap_or(ForwardedMode::Enforce) {
        ForwardedMode::Enforce if is_audited(index) => ForwardedMode::Audit,
        enforced @ ForwardedMode::Enforce => enforced,
        passing @ (ForwardedMode::Audit | ForwardedMode::Pass) => passing,
    }
}

/// Whether denials at the device are only reported.
#[inline(always)]
pub(super) fn is_audited(index: u32) -> bool {
    policy_maps::audits()
        || device(index).is_some_and(|device| device.mode == DeviceMode::Audit as u32)
}

/// What precedes the network header of a device's frames.
#[inline(always)]
fn header_of(index: u32) -> Option<LinkHeader> {
    let known = DEVICE_HEADERS.get(index).copied();
    let known = known.and_then(LinkHeader::from_code);
    known.or_else(|| device(index).and_then(|device| LinkHeader::from_code(device.header)))
}

/// The entry of a device.
#[inline(always)]
pub(super) fn device(index: u32) -> Option<Device> {
    // SAFETY: an entry that changes while it is read is the old or the new one: each field is read once.
    unsafe { DEVICES.get(&index) }.copied()
}

/// The decision on a frame behind this kind of link header; `None` for protocols other than IP, which are not judged. Not a function as a parameter: it
/// would be compiled to a separate one.
#[inline(always)]
pub(super) fn decision<const IS_LOOPED_BACK: bool>(
    context: &SkBuffContext,
    header: Option<LinkHeader>,
) -> Option<(Flow, Decision)> {
    let Some(header) = header else {
        return Some(unread(Reason::NoTable));
    };
    let Some(mut frame) = Frame::open(context) else {
        return Some(unread(Reason::Unreadable));
    };
    match frame.find_ip(header) {
        Contents::Other => None,
        Contents::Unreadable => Some(unread(Reason::Unreadable)),
        Contents::Ip(_) if IS_LOOPED_BACK => Some(address_only(&frame)),
        Contents::Ip(_) => Some(packet_decision(&mut frame)),
    }
}

/// Flow and decision of a frame of which no flow can be read.
#[inline(always)]
fn unread(reason: Reason) -> (Flow, Decision) {
    let destination = Address::from_v4(0);
    let flow = Flow {
        destination,
        transport: Transport::Hidden(0),
    };
    (
        flow,
        Decision {
            reason,
            destination,
        },
    )
}

/// The decision on the addresses of a frame whose IP header was found.
#[inline(always)]
fn address_decision(frame: &Frame<'_>) -> (Flow, Decision) {
    let read = match frame.version() {
        4 => read_ipv4(frame),
        6 => read_ipv6(frame),
        _ => Err(PacketError::NoHeader),
    };
    // Not `map`: it would be compiled to a separate function.
    let read = match read {
        Ok(flow) => Ok(verifier::forget_flow_bounds(flow)),
        Err(error) => Err(error),
    };
    let decision = decide_packet(read, &KernelPolicy(frame));
    let decision = decide_tunneled(decision, &KernelPolicy(frame));
    let decision = verifier::forget_decision_bounds(decision);
    let flow = read.unwrap_or(Flow {
        destination: decision.destination,
        transport: Transport::Hidden(0),
    });
    (flow, decision)
}

/// The decision on a frame that was looped back, by its addresses: no server answers a connection to an allowed one by this card.
#[inline(always)]
fn address_only(frame: &Frame<'_>) -> (Flow, Decision) {
    let (flow, decision) = address_decision(frame);
    let is_named =
        decision.reason == Reason::AllowedName || decision.reason == Reason::ExceptionName;
    let reason = if is_named {
        Reason::NoTcpSocket
    } else {
        decision.reason
    };
    (flow, Decision { reason, ..decision })
}

/// The decision on a frame whose IP header was found.
#[inline(always)]
fn packet_decision(frame: &mut Frame<'_>) -> (Flow, Decision) {
    let (flow, decision) = address_decision(frame);
    if decision.reason != Reason::AllowedName && decision.reason != Reason::ExceptionName {
        if decision.verdict() == Verdict::Deny {
            denial::note_source(frame);
        }
        return (flow, decision);
    }
    let checked = check_payload(frame, flow, decision);
    let reason = match checked {
        Ok(()) => decision.reason,
        Err(reason) => {
            denial::note_source(frame);
            reason
        }
    };
    let decision = Decision { reason, ..decision };
    (flow, verifier::forget_decision_bounds(decision))
}

/// Checks a segment to an address that a name allows.
#[inline(always)]
fn check_payload(frame: &mut Frame<'_>, flow: Flow, decision: Decision) -> Result<(), Reason> {
    let tcp = transport_at(frame).and_then(|at| TcpSegment::read(frame, at, frame.len()));
    let Some(tcp) = tcp else {
        return Err(Reason::HelloUnreadable);
    };
    if let Sender::Tcp(socket) = frame.sender()
        && let Some(checked) = local::check(frame, socket, tcp, flow.destination)
    {
        return checked;
    }
    socketless::check(frame, flow, decision, tcp)
}
