//! The hooks: read, decide, turn the decision into a return code. Telemetry comes last and may fail.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod asker;
mod attempt;
mod blur;
mod budget;
mod copy;
mod dedup;
mod desk;
mod handshake;
mod learn;
mod lookup;
mod maps;
mod packet;
mod report;
mod scratch;
mod socket_denials;
mod view;

use aya_ebpf::macros::{cgroup_skb, cgroup_sock, cgroup_sock_addr};
use aya_ebpf::programs::{SkBuffContext, SockAddrContext, SockContext};
use enforcer_common::{Decision, Hook, Verdict, decide, decide_connect};

use crate::handshake::Stray;

/// What a cgroup program returns to let a packet or call go on.
const PASS: i32 = 1;
/// What it returns to drop the packet, or to fail the call with `EPERM`.
const DROP: i32 = 0;

/// Every packet of every socket in scope. Linux 4.10.
#[cgroup_skb(egress)]
#[inline(always)]
fn egress(context: SkBuffContext) -> i32 {
    if let Some(decision) = packet::verified(&context) {
        let code = enforce(decision);
        report::passed(decision);
        return code;
    }
    let judged = packet::judge(&context, Stray::Denied);
    let code = enforce(judged.decision);
    let flow = judged.flow;
    report::packet(&context, judged);
    asker::note(&context, flow);
    code
}

/// [`egress`] for test runs: no telemetry, and the reason in the control buffer. Never attached.
#[cgroup_skb(egress)]
#[inline(always)]
fn explain(mut context: SkBuffContext) -> i32 {
    let decision = match packet::verified(&context) {
        Some(decision) => decision,
        None => packet::judge(&context, Stray::First).decision,
    };
    packet::leave_reason(&mut context, decision);
    enforce(decision)
}

/// `connect` on an IPv4 socket. Linux 4.17.
#[cgroup_sock_addr(connect4)]
fn connect4(context: SockAddrContext) -> i32 {
    connect(&context, Hook::Connect4)
}

/// `connect` on an IPv6 socket. Linux 4.17.
#[cgroup_sock_addr(connect6)]
fn connect6(context: SockAddrContext) -> i32 {
    connect(&context, Hook::Connect6)
}

/// A datagram to an address of its own over IPv4. Linux 4.18.
#[cgroup_sock_addr(sendmsg4)]
fn sendmsg4(context: SockAddrContext) -> i32 {
    send(&context, Hook::Sendmsg4)
}

/// A datagram to an address of its own over IPv6. Linux 4.18.
#[cgroup_sock_addr(sendmsg6)]
fn sendmsg6(context: SockAddrContext) -> i32 {
    send(&context, Hook::Sendmsg6)
}

/// A socket comes into being: remembers whose it is, for reports. Decides nothing. Linux 4.10.
#[cgroup_sock(sock_create)]
fn origin(context: SockContext) -> i32 {
    report::remember_origin(&context);
    PASS
}

/// Every packet that a socket in scope receives: opens what DNS answers say before anybody reads them. Decides nothing. Linux 4.10.
#[cgroup_skb(ingress)]
fn learn(context: SkBuffContext) -> i32 {
    learn::answer(&context);
    PASS
}

#[inline(always)]
fn connect(context: &SockAddrContext, hook: Hook) -> i32 {
    handshake::forget(context);
    let flow = attempt::flow(context, hook);
    let decision = decide_connect(&flow, &attempt::POLICY);
    let code = enforce(decision);
    report::connect(context, hook, flow, decision);
    asker::mark(context, flow);
    code
}

#[inline(always)]
fn send(context: &SockAddrContext, hook: Hook) -> i32 {
    let flow = attempt::flow(context, hook);
    let decision = decide(&flow, &attempt::POLICY);
    let code = enforce(decision);
    report::send(context, hook, flow, decision);
    asker::mark(context, flow);
    code
}

#[inline(always)]
fn enforce(decision: Decision) -> i32 {
    match decision.verdict() {
        Verdict::Allow => PASS,
        Verdict::Deny if view::audits() => PASS,
        Verdict::Deny => DROP,
    }
}

/// Loops, so that the verifier refuses any program in which a panic can be reached.
#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
