//! Whether a connection to an address that a name opened begins with a ClientHello that names it.

use core::hint::black_box;
use core::ptr;

use aya_ebpf::bindings::{BPF_SK_STORAGE_GET_F_CREATE, bpf_sock};
use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_sk_storage_get, bpf_skb_ancestor_cgroup_id};
use aya_ebpf::programs::SockAddrContext;
use enforcer_common::hello::{
    Binding, Desk, Handshake, KEPT, MAX_TOKENS, Names, Read, Segment, Sent, Tcp, Want,
};
use enforcer_common::layout::{Deadline, NameEntry, NameKey, Opening};
use enforcer_common::{Address, Bytes, Decision, Flow, Reason};

use crate::desk;
use crate::maps::{HANDSHAKES_2, NAMES};
use crate::packet::Packet;
use crate::view::{self, halves};

/// `IPPROTO_TCP` and `SOCK_STREAM`: raw sockets may have the same protocol.
const TCP: u32 = 6;
const STREAM: u32 = 1;
const IPV6_LEN: u32 = 40;

/// What a payload comes to that no TCP socket sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stray {
    /// It is denied.
    Denied,
    /// It is judged as the first of a connection: for a test run the kernel makes a socket of no protocol.
    First,
}

/// For whose name a packet of an open connection to port 443 passes, where what was read of its beginning says so.
#[inline(always)]
pub(crate) fn verified(packet: &Packet<'_>, destination: Address, sequence: u32) -> Option<Reason> {
    // Not known to be a full one: the helper finds nothing for any other.
    let handshake = storage(packet.sender()?, 0)?;
    handshake.verified(destination, sequence, &Settings)
}

/// Judges what a packet carries that `decision` lets through for a name; gives what was read of the server's name where it is denied.
#[inline(always)]
pub(crate) fn judge<'a>(
    packet: &Packet<'_>,
    flow: Flow,
    decision: Decision,
    stray: Stray,
) -> (Decision, Option<&'a NameKey>) {
    if decision.reason != Reason::AllowedName && decision.reason != Reason::ExceptionName {
        return (decision, None);
    }
    let tcp = transport_at(packet).and_then(|at| Tcp::read(packet, at, packet.len()));
    let Some(tcp) = tcp else {
        return (denied(decision, Reason::HelloUnreadable), None);
    };
    let connection = Connection { packet, decision };
    let handshake = packet
        .socket()
        .filter(|socket| stray == Stray::First || is_stream(*socket));
    let handshake =
        handshake.and_then(|socket| storage(socket, BPF_SK_STORAGE_GET_F_CREATE.into()));
    let address = flow.destination;
    let Some(handshake) = handshake else {
        // Without a note of its opening nothing that follows would pass: that is tried again, and this not.
        let is_tcp = packet.socket().is_some_and(is_stream);
        let is_quiet = tcp.len == 0 && !(is_tcp && tcp.opens());
        if is_quiet || connection.binding([Opening::ANY_NAME, 0]).is_some() {
            return (decision, None);
        }
        let reason = if is_tcp {
            Reason::Unwatched
        } else {
            Reason::NotASocket
        };
        return (denied(decision, reason), None);
    };
    if stray == Stray::First {
        handshake.begin(address, tcp.sequence);
    }
    let judged = handshake.judge(&connection, tcp, address, &connection);
    if stray == Stray::First {
        handshake.rewind();
    }
    match judged {
        Ok(()) => (decision, None),
        Err(reason) => (denied(decision, reason), handshake.name_for(reason)),
    }
}

/// A socket begins a connection: what it sent before is of no meaning any more.
#[inline(always)]
pub(crate) fn forget(context: &SockAddrContext) {
    // SAFETY: the context points to the kernel's `bpf_sock_addr` for the length of the program.
    let socket = unsafe { (*context.sock_addr).__bindgen_anon_1.sk };
    if let Some(handshake) = storage(socket, 0) {
        handshake.forget();
    }
}

#[inline(always)]
fn denied(decision: Decision, reason: Reason) -> Decision {
    Decision { reason, ..decision }
}

/// Where the TCP header is, unless IPv6 extension headers are before it.
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
    // SAFETY: the helper that gave the socket succeeded; it stays for the length of the program.
    unsafe { (*socket).protocol == TCP && (*socket).type_ == STREAM }
}

/// What is kept of a connection, of all zeros at first. The socket's lock is held while its packets leave, so nobody else has it.
#[inline(always)]
fn storage<'a>(socket: *mut bpf_sock, flags: u64) -> Option<&'a mut Handshake> {
    let map = ptr::from_ref(&HANDSHAKES_2).cast_mut().cast();
    // SAFETY: the map's values are handshakes, for which all bytes of zero are good ones, and the socket is the kernel's.
    unsafe {
        bpf_sk_storage_get(map, socket.cast(), ptr::null_mut(), flags)
            .cast::<Handshake>()
            .as_mut()
    }
}

/// What holds whatever the packet is.
struct Settings;

/// A packet to an address that a name opened.
struct Connection<'a> {
    packet: &'a Packet<'a>,
    decision: Decision,
}

impl enforcer_common::hello::Policy for Settings {
    #[inline(always)]
    fn epoch(&self) -> u64 {
        view::settings().epoch
    }

    #[inline(always)]
    fn is_ahead(&self, deadline: Deadline) -> bool {
        view::is_ahead(deadline)
    }
}

impl enforcer_common::hello::Policy for Connection<'_> {
    #[inline(always)]
    fn epoch(&self) -> u64 {
        Settings.epoch()
    }

    #[inline(always)]
    fn is_ahead(&self, deadline: Deadline) -> bool {
        view::is_ahead(deadline)
    }
}

impl Names for Connection<'_> {
    #[inline(always)]
    fn entry(&self, key: &NameKey) -> Option<NameEntry> {
        // SAFETY: an entry that changes while it is read is that of one name or of none.
        unsafe { NAMES.get(key) }.copied()
    }

    #[inline(always)]
    fn binding(&self, names: [u32; 2]) -> Option<Binding> {
        let [high, low] = halves(self.decision.destination);
        let names = u64::from(names[0]) << 32 | u64::from(names[1]);
        let for_all = view::binding_of(0, high, low, names);
        if for_all != 0 {
            return Some(Binding {
                cgroup: 0,
                deadline: for_all,
            });
        }
        if self.decision.reason != Reason::ExceptionName {
            return None;
        }
        // SAFETY: the pointer is the kernel's own to the packet at hand. A level below that of the socket's cgroup gives 0.
        let ancestor = |level| unsafe { bpf_skb_ancestor_cgroup_id(self.packet.raw(), level) };
        view::first_scope(ancestor, |cgroup| {
            let deadline = view::binding_of(cgroup, high, low, names);
            (deadline != 0).then_some(Binding { cgroup, deadline })
        })
    }

    #[inline(always)]
    fn audits(&self) -> bool {
        view::audits()
    }
}

impl Segment for Connection<'_> {
    #[inline(always)]
    fn word(&self, offset: u32, len: u32) -> Option<u64> {
        self.packet.word(offset, len)
    }

    #[inline(always)]
    fn load(&self, sent: &mut Sent, offset: u32, at: u32, len: u32) -> Option<()> {
        let [offset, less] = [offset, len.wrapping_sub(1)].map(black_box);
        if offset > Sent::LAST || less >= KEPT {
            return None;
        }
        // SAFETY: there is room for so many bytes from that offset on.
        unsafe {
            let place = sent.as_mut_ptr().add(offset as usize);
            self.packet.load_to(place, at, less.wrapping_add(1))
        }
    }

    #[inline(always)]
    fn is_again(&self, sent: &Sent, from: u32, to: u32) -> Option<bool> {
        desk::is_again(self.packet, sent, from, to)
    }

    #[inline(always)]
    fn is_held_back(&self) -> bool {
        // SAFETY: the helper takes no pointer.
        let now = unsafe { bpf_ktime_get_ns() };
        self.packet.leaves_at() > now
    }

    #[inline(always)]
    fn follow(&self, desk: &mut Desk, at: u32, len: u32) -> Result<Read, Reason> {
        // Judged anew when the kernel sends it again, unlike what cannot be read.
        let socket = desk::enter(self.packet, desk).ok_or(Reason::Unwatched)?;
        let read = read(self, socket, at, len);
        desk::leave(socket, desk);
        read
    }
}

/// Reads a segment to its end, or to that of the hello, at the desk of a socket.
#[inline(always)]
fn read(segment: &impl Segment, socket: u64, at: u32, len: u32) -> Result<Read, Reason> {
    desk::begin_segment(socket, at, len);
    for _ in 0..MAX_TOKENS {
        let Want::Word(at, len) = desk::wanted(socket) else {
            break;
        };
        let Some(word) = segment.word(at, len) else {
            break;
        };
        desk::take(socket, word);
    }
    // What ended it is asked for once more: so all that the verifier knows at this point is the same, whichever way led here.
    match desk::wanted(socket) {
        Want::Word(..) => Err(Reason::HelloUnreadable),
        Want::End(read) => Ok(read),
        Want::Denied(reason) => Err(reason),
    }
}
