//! Sockets that ask DNS servers, and what they ask.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::{bpf_get_netns_cookie, bpf_sk_storage_get};
use aya_ebpf::programs::{SkBuffContext, SockAddrContext};
use enforcer_common::dns::{Asked, PORT};
use enforcer_common::{Address, Flow, Outcome, Transport};

use crate::budget::cgroup_of;
use crate::learn;
use crate::lookup::asked_word;
use crate::maps::{ASKERS, SERVERS};
use crate::packet::Packet;
use crate::scratch::{OUTWARD, Scratch, enter, leave};
use crate::view::settings;

/// Marks a socket of a trusted network namespace that turns to a DNS server: it may learn from the answers.
#[inline(always)]
pub(crate) fn mark(context: &SockAddrContext, flow: Flow) {
    if is_to_dns(flow) && is_trusted(context) && server(flow.destination).is_some() {
        let _may_fail = ASKERS.get_or_insert_ptr_mut(context, None);
    }
}

/// Notes the question that a marked socket sends.
#[inline(always)]
pub(crate) fn note(context: &SkBuffContext, flow: Flow) {
    if is_to_dns(flow) {
        let _most_ask_for_other_names = note_question(&Packet(context), flow.destination);
    }
}

#[inline(always)]
fn is_to_dns(flow: Flow) -> bool {
    matches!(flow.transport, Transport::Udp(PORT) | Transport::Tcp(PORT))
}

/// Whoever has a user namespace can make a network in which it is every server itself.
#[inline(always)]
fn is_trusted(context: &SockAddrContext) -> bool {
    // SAFETY: the context is the kernel's for the length of the program.
    let network = unsafe { bpf_get_netns_cookie(context.as_ptr()) };
    // SAFETY: without a context the helper tells the cookie of the initial namespace.
    let initial = unsafe { bpf_get_netns_cookie(core::ptr::null_mut()) };
    network == initial || network == settings().learning.network
}

/// The number of the DNS server at `address`.
#[inline(always)]
pub(crate) fn server(address: Address) -> Option<u32> {
    // SAFETY: a number that changes while it is read is of a policy that changes.
    unsafe { SERVERS.get(&address.key()) }.copied()
}

/// What the packet's socket asked; `None` where it is not marked.
#[inline(always)]
pub(crate) fn asked<'a>(packet: &'a Packet<'_>) -> Option<&'a Asked> {
    let socket = packet.socket()?;
    let map = core::ptr::from_ref(&ASKERS).cast_mut();
    // SAFETY: the map is one of socket storage, and the socket a full one of the kernel's.
    let asked = unsafe { bpf_sk_storage_get(map.cast(), socket.cast(), core::ptr::null_mut(), 0) };
    // SAFETY: the map's values are of this type; they stay for the length of the program, and are cells.
    unsafe { asked.cast::<Asked>().as_ref() }
}

#[inline(always)]
fn note_question(packet: &Packet<'_>, destination: Address) -> Option<()> {
    let asked = asked(packet)?;
    let server = server(destination)?;
    let segment = packet.segment()?;
    let scratch = enter(OUTWARD)?;
    scratch.cgroup.set(cgroup_of(packet));
    let word = read(scratch, packet, segment.is_tcp, segment.data, server);
    match word {
        Some(_) if segment.is_tcp => learn::tell(OUTWARD, Outcome::Unusable, 0, 0, 0),
        Some(word) => asked.add(word),
        None => {}
    }
    leave(OUTWARD);
    word.map(|_| ())
}

/// The question in the packet's data. Over TCP a length precedes it (RFC 1035 section 4.2.2), if not in a segment of its own.
#[inline(always)]
fn read(
    scratch: &Scratch,
    packet: &Packet<'_>,
    is_tcp: bool,
    data: u32,
    server: u32,
) -> Option<u64> {
    let mut at = data;
    if is_tcp {
        let after = data.wrapping_add(2);
        let length = u16::from_be_bytes(packet.load::<2>(data)?) as u32;
        if length == packet.len().wrapping_sub(after) {
            at = after;
        }
    }
    scratch.load(packet, at)?;
    asked_word(OUTWARD, server)
}
