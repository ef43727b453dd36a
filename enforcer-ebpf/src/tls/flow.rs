//! The TLS check at `cgroup_skb/egress`: a connection to an address that a name allows must begin with a ClientHello for such a name.

use core::hint::black_box;
use core::ptr;

use aya_ebpf::bindings::{BPF_SK_STORAGE_GET_F_CREATE, bpf_sock};
use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_sk_storage_get, bpf_skb_ancestor_cgroup_id};
use aya_ebpf::programs::SockAddrContext;
use enforcer_common::layout::{AddressGrant, Deadline, NameEntry, NameKey};
use enforcer_common::tls::{
    FlowState, Grant, GrantValidity, NamePolicy, ParserScratch, Progress, RECORDED_BYTES, Segment,
    SentBytes, TcpSegment,
};
use enforcer_common::{Address, Bytes, Decision, Flow, Reason};

use super::scratch;
use crate::maps::{FLOWS, NAMES};
use crate::policy_maps::{self, halves};
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
    let connection = Connection { packet, decision };
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
fn without_state(connection: &Connection<'_>, tcp: TcpSegment) -> Decision {
    let is_tcp = connection.packet.socket().is_some_and(is_stream);
    // Without state for its SYN, the whole connection would be denied: denying the SYN makes TCP retry it.
    let is_empty = tcp.len == 0 && !(is_tcp && tcp.opens());
    if is_empty || connection.grant([AddressGrant::ANY_NAME, 0]).is_some() {
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
fn transport_at(packet: &Packet<'_>) -> Option<u32> {
    let [first, .., next] = packet.fixed::<0, 7>()?;
    if first >> 4 == 4 {
        return Some(u32::from(first & 0x0f) * 4);
    }
    (u32::from(next) == TCP).then_some(IPV6_LEN)
}

#[inline(always)]
fn is_stream(socket: *mut bpf_sock) -> bool {
    // SAFETY: the helper that returned the socket succeeded; it stays valid for the length of the program.
    unsafe { (*socket).protocol == TCP && (*socket).type_ == STREAM }
}

/// State of a socket's connection, zero at first. The kernel holds the socket lock while its packets leave, so access is exclusive.
#[inline(always)]
fn storage<'a>(socket: *mut bpf_sock, flags: u64) -> Option<&'a mut FlowState> {
    let map = ptr::from_ref(&FLOWS).cast_mut().cast();
    // SAFETY: the map's values are flow states, for which all zeros are valid, and the socket is the kernel's.
    unsafe {
        bpf_sk_storage_get(map, socket.cast(), ptr::null_mut(), flags)
            .cast::<FlowState>()
            .as_mut()
    }
}

/// The settings in force, which do not depend on the packet.
struct CurrentSettings;

/// A packet to an address that a name allows.
struct Connection<'a> {
    packet: &'a Packet<'a>,
    decision: Decision,
}

impl Connection<'_> {
    #[inline(always)]
    fn current_grant(&self, names: [u32; 2]) -> Option<Grant> {
        let [high, low] = halves(self.decision.destination);
        let names = u64::from(names[0]) << 32 | u64::from(names[1]);
        let for_all = policy_maps::grant_deadline(0, high, low, names);
        if for_all != 0 {
            return Some(Grant {
                cgroup: 0,
                deadline: for_all,
            });
        }
        if self.decision.reason != Reason::ExceptionName {
            return None;
        }
        // SAFETY: the pointer is the kernel's, to the current packet. A level below that of the socket's cgroup gives 0.
        let ancestor = |level| unsafe { bpf_skb_ancestor_cgroup_id(self.packet.raw(), level) };
        policy_maps::first_scope(ancestor, |cgroup| {
            let deadline = policy_maps::grant_deadline(cgroup, high, low, names);
            (deadline != 0).then_some(Grant { cgroup, deadline })
        })
    }
}

impl GrantValidity for CurrentSettings {
    #[inline(always)]
    fn epoch(&self) -> u64 {
        policy_maps::settings().epoch
    }

    #[inline(always)]
    fn is_ahead(&self, deadline: Deadline) -> bool {
        policy_maps::is_ahead(deadline)
    }
}

impl GrantValidity for Connection<'_> {
    #[inline(always)]
    fn epoch(&self) -> u64 {
        CurrentSettings.epoch()
    }

    #[inline(always)]
    fn is_ahead(&self, deadline: Deadline) -> bool {
        policy_maps::is_ahead(deadline)
    }
}

impl NamePolicy for Connection<'_> {
    #[inline(always)]
    fn entry(&self, key: &NameKey) -> Option<NameEntry> {
        // SAFETY: an entry that changes while it is read is that of one name or of none.
        let entry = unsafe { NAMES.get(key) }.copied();
        trace::step(Step::NameEntry(entry));
        entry
    }

    #[inline(always)]
    fn grant(&self, names: [u32; 2]) -> Option<Grant> {
        let grant = self.current_grant(names);
        trace::step(Step::Grant(names, grant));
        grant
    }

    #[inline(always)]
    fn audits(&self) -> bool {
        policy_maps::audits()
    }
}

impl Segment for Connection<'_> {
    #[inline(always)]
    fn word(&self, offset: u32, len: u32) -> Option<u64> {
        self.packet.word(offset, len)
    }

    #[inline(always)]
    fn load(&self, sent: &mut SentBytes, offset: u32, at: u32, len: u32) -> Option<()> {
        let [offset, less] = [offset, len.wrapping_sub(1)].map(black_box);
        if offset > SentBytes::LAST || less >= RECORDED_BYTES {
            return None;
        }
        // SAFETY: `SentBytes` has room for `RECORDED_BYTES` from `SentBytes::LAST` on.
        unsafe {
            let target = sent.as_mut_ptr().add(offset as usize);
            self.packet.load_to(target, at, less.wrapping_add(1))
        }
    }

    #[inline(always)]
    fn matches_retransmission(&self, sent: &SentBytes, from: u32, to: u32) -> Option<bool> {
        scratch::matches_retransmission(self.packet, sent, from, to)
    }

    #[inline(always)]
    fn has_future_departure(&self) -> bool {
        // SAFETY: the helper takes no pointer.
        let now = unsafe { bpf_ktime_get_ns() };
        self.packet.departure_time() > now
    }

    #[inline(always)]
    fn parse(&self, parser: &mut ParserScratch, at: u32, len: u32) -> Result<Progress, Reason> {
        // Not a terminal reason: TCP sends the segment again, and it is then checked.
        let socket = scratch::claim(self.packet, parser).ok_or(Reason::NoSynSeen)?;
        let progress = scratch::parse(self, socket, at, len);
        trace::step(Step::ServerName(socket));
        scratch::release(socket, parser);
        progress
    }
}
