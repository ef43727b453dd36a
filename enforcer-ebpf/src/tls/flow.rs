//! The TLS check at `cgroup_skb/egress`: a connection to an address that a name allows must begin with a ClientHello for such a name.

use core::ptr;

use aya_ebpf::bindings::{BPF_SK_STORAGE_GET_F_CREATE, bpf_sock};
use aya_ebpf::helpers::bpf_sk_storage_get;
use aya_ebpf::programs::SockAddrContext;
use enforcer_common::layout::NameKey;
use enforcer_common::tls::{FlowState, TcpSegment};
use enforcer_common::{Address, Bytes, Decision, Flow, Reason};

use super::connection::{Connection, CurrentSettings};
use crate::maps::FLOWS;
use crate::skb::Packet;
use crate::trace::{self, Step};

/// `IPPROTO_TCP`.
const TCP: u32 = 6;
/// `SOCK_STREAM`: raw sockets may have the same protocol.
const STREAM: u32 = 1;
/// Length of an IPv6 header, in bytes.
const IPV6_LEN: u32 = 40;

/// What happens to a TCP payload that no TCP socket sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NonTcpSocket {
    /// It is denied.
    Denied,
    /// It is checked as the first segment of a connection: in a test run the kernel makes a socket without a protocol.
    FirstSegment,
}

/// Returns the reason that an established connection's packet passes for, if its ClientHello was verified and still counts.
#[inline(always)]
pub(crate) fn verified(packet: &Packet<'_>, destination: Address, sequence: u32) -> Option<Reason> {
    // The socket may be a request or time-wait socket, for which the helper returns no storage.
    let state = storage(packet.sender()?, 0)?;
    state.verified(destination, sequence, &CurrentSettings)
}

/// Checks the payload of a packet that `decision` allows for a name. On a denial, also returns the server name as far as it was read.
#[inline(always)]
pub(crate) fn check_client_hello<'a>(
    packet: &Packet<'_>,
    flow: Flow,
    decision: Decision,
    non_tcp: NonTcpSocket,
) -> (Decision, Option<&'a NameKey>) {
    if decision.reason != Reason::AllowedName && decision.reason != Reason::ExceptionName {
        return (decision, None);
    }
    let tcp = transport_at(packet).and_then(|at| TcpSegment::read(packet, at, packet.len()));
    let Some(tcp) = tcp else {
        return (denied(decision, Reason::HelloUnreadable), None);
    };
    let connection = Connection::new(packet, decision);
    let is_first = non_tcp == NonTcpSocket::FirstSegment;
    let socket = packet
        .socket()
        .filter(|socket| is_first || is_stream(*socket));
    let state = socket.and_then(|socket| storage(socket, BPF_SK_STORAGE_GET_F_CREATE.into()));
    let Some(state) = state else {
        return (without_state(&connection, tcp), None);
    };
    if is_first {
        state.begin(flow.destination, tcp.sequence);
    }
    trace::step(Step::Segment(tcp.len));
    let checked = state.check_segment(&connection, tcp, flow.destination, &connection);
    trace::step(Step::ClientHello(checked));
    if is_first {
        state.rewind();
    }
    match checked {
        Ok(()) => (decision, None),
        Err(reason) => (denied(decision, reason), state.name_for(reason)),
    }
}

/// The decision on a segment without flow state: no TCP socket sent it, or its socket has no memory left.
#[inline(always)]
fn without_state(connection: &Connection<'_, Packet<'_>>, tcp: TcpSegment) -> Decision {
    let is_tcp = connection.packet.socket().is_some_and(is_stream);
    // Without state for its SYN, the whole connection would be denied: denying the SYN makes TCP retry it.
    let is_empty = tcp.len == 0 && !(is_tcp && tcp.opens());
    if is_empty || connection.is_unchecked() {
        return connection.decision;
    }
    let reason = if is_tcp {
        Reason::NoSynSeen
    } else {
        Reason::NoTcpSocket
    };
    denied(connection.decision, reason)
}

/// Discards the state of a socket's earlier connection when it connects again.
#[inline(always)]
pub(crate) fn reset(context: &SockAddrContext) {
    // SAFETY: the context points to the kernel's `bpf_sock_addr` for the length of the program.
    let socket = unsafe { (*context.sock_addr).__bindgen_anon_1.sk };
    if let Some(state) = storage(socket, 0) {
        state.reset();
    }
}

#[inline(always)]
fn denied(decision: Decision, reason: Reason) -> Decision {
    Decision { reason, ..decision }
}

/// Offset of the TCP header; `None` if IPv6 extension headers precede it.
#[inline(always)]
pub(crate) fn transport_at(packet: &impl Bytes) -> Option<u32> {
    let [first, .., next] = packet.fixed::<0, 7>()?;
    if first >> 4 == 4 {
        return Some(u32::from(first & 0x0f) * 4);
    }
    (u32::from(next) == TCP).then_some(IPV6_LEN)
}

#[inline(always)]
pub(crate) fn is_stream(socket: *mut bpf_sock) -> bool {
    // SAFETY: the helper that returned the socket succeeded; it stays valid for the length of the program.
    unsafe { (*socket).protocol == TCP && (*socket).type_ == STREAM }
}

/// State of a socket's connection, zero at first. The kernel holds the socket lock while its packets leave, so access is exclusive.
#[inline(always)]
pub(crate) fn storage<'a>(socket: *mut bpf_sock, flags: u64) -> Option<&'a mut FlowState> {
    let map = ptr::from_ref(&FLOWS).cast_mut().cast();
    // SAFETY: the map's values are flow states, for which all zeros are valid, and the socket is the kernel's.
    unsafe {
        bpf_sk_storage_get(map, socket.cast(), ptr::null_mut(), flags)
            .cast::<FlowState>()
            .as_mut()
    }
}
