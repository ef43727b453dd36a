//! The attached programs: read, decide, turn the decision into a return code. Telemetry comes last and may fail.

use aya_ebpf::macros::{cgroup_skb, cgroup_sock, cgroup_sock_addr};
use aya_ebpf::programs::{SkBuffContext, SockAddrContext, SockContext};
use enforcer_common::{Hook, decide, decide_connect};

use crate::tls::flow::{self, NonTcpSocket};
use crate::{PASS, dns, egress, enforce, policy_maps, report, sock_addr};

/// Every packet of every socket in scope. Linux 4.10.
#[cgroup_skb(egress)]
#[inline(always)]
fn egress(context: SkBuffContext) -> i32 {
    if let Some(decision) = egress::verified(&context) {
        let code = enforce(decision);
        report::passed(Hook::Egress, decision);
        return code;
    }
    let judged = egress::judge(&context, NonTcpSocket::Denied);
    let code = enforce(judged.decision);
    let flow = judged.flow;
    report::packet(&context, judged, policy_maps::audits());
    dns::client::record_query(&context, flow);
    code
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

/// A datagram with an explicit destination over IPv4. Linux 4.18.
#[cgroup_sock_addr(sendmsg4)]
fn sendmsg4(context: SockAddrContext) -> i32 {
    send(&context, Hook::Sendmsg4)
}

/// A datagram with an explicit destination over IPv6. Linux 4.18.
#[cgroup_sock_addr(sendmsg6)]
fn sendmsg6(context: SockAddrContext) -> i32 {
    send(&context, Hook::Sendmsg6)
}

/// A new socket: records its owner for reports. Decides nothing. Linux 4.10.
#[cgroup_sock(sock_create)]
fn socket_owner(context: SockContext) -> i32 {
    report::record_owner(&context);
    PASS
}

/// Every packet that a socket in scope receives: allows the addresses of DNS answers before the application reads them. Decides nothing. Linux 4.10.
#[cgroup_skb(ingress)]
fn dns_snoop(context: SkBuffContext) -> i32 {
    dns::snoop::observe(&context);
    PASS
}

#[inline(always)]
fn connect(context: &SockAddrContext, hook: Hook) -> i32 {
    flow::reset(context);
    let flow = sock_addr::flow(context, hook);
    let decision = decide_connect(&flow, &sock_addr::POLICY);
    let code = enforce(decision);
    report::connect(context, hook, flow, decision);
    dns::client::mark(context, flow);
    code
}

#[inline(always)]
fn send(context: &SockAddrContext, hook: Hook) -> i32 {
    let flow = sock_addr::flow(context, hook);
    let decision = decide(&flow, &sock_addr::POLICY);
    let code = enforce(decision);
    report::send(context, hook, flow, decision);
    dns::client::mark(context, flow);
    code
}
