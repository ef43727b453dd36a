//! Sockets that ask DNS servers, and what they ask.

use core::ptr;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::BPF_SK_STORAGE_GET_F_CREATE;
use aya_ebpf::helpers::{bpf_get_netns_cookie, bpf_sk_storage_get};
use aya_ebpf::programs::{SkBuffContext, SockAddrContext};
use enforcer_common::dns::{Asked, PORT};
use enforcer_common::{Address, Flow, Outcome, Transport};

use crate::budget::cgroup_of;
use crate::learn;
use crate::lookup::asked_word;
use crate::maps::{ASKERS, DNS_SOCKETS, SERVERS};
use crate::packet::Packet;
use crate::scratch::{OUTWARD, Scratch, enter, leave};
use crate::view::{halves, joined, settings};

/// Marks a socket of a trusted network namespace that connects or sends to a DNS server: it may learn from the answers. Notes the server as
/// well: NAT in `OUTPUT` may give the packets another destination, and their answers come from this one.
#[inline(always)]
pub(crate) fn mark(context: &SockAddrContext, flow: Flow) {
    let is_server = is_to_dns(flow) && is_trusted(context) && number(flow.destination) != 0;
    let asked = if is_server {
        ASKERS.get_or_insert_ptr_mut(context, None)
    } else {
        ASKERS.get_ptr_mut(context)
    };
    // SAFETY: the map's values are of this type; they stay for the length of the program, and are cells.
    if let Some(asked) = unsafe { asked.as_ref() } {
        asked.set_server(if is_server {
            halves(flow.destination)
        } else {
            [0; 2]
        });
    }
}

/// Notes the question that a marked socket sends.
#[inline(always)]
pub(crate) fn note(context: &SkBuffContext, flow: Flow) {
    // NAT may have changed the port of a datagram, too.
    if is_to_dns(flow) || matches!(flow.transport, Transport::Udp(_)) {
        let _most_ask_for_other_names = note_question(&Packet(context), flow);
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
    let initial = unsafe { bpf_get_netns_cookie(ptr::null_mut()) };
    network == initial || network == settings().learning.network
}

/// The number of the DNS server at `address`; 0 where there is none.
#[inline(always)]
pub(crate) fn number(address: Address) -> u32 {
    let [high, low] = halves(address);
    server_number(high, low)
}

/// As [`number`]. Exported for the verifier's sake, as [`crate::view`] says.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn server_number(high: u64, low: u64) -> u32 {
    // SAFETY: a number that changes while it is read is of a policy that changes.
    let number = unsafe { SERVERS.get(&joined(high, low).key()) };
    number.copied().unwrap_or(0)
}

/// What the packet's socket asked; `None` where it is not marked.
#[inline(always)]
pub(crate) fn asked<'a>(packet: &'a Packet<'_>) -> Option<&'a Asked> {
    storage(packet, 0)
}

#[inline(always)]
fn storage<'a>(packet: &'a Packet<'_>, flags: u64) -> Option<&'a Asked> {
    let socket = packet.socket()?;
    let map = ptr::from_ref(&ASKERS).cast_mut();
    // SAFETY: the map is one of socket storage, and the socket a full one of the kernel's.
    let asked = unsafe { bpf_sk_storage_get(map.cast(), socket.cast(), ptr::null_mut(), flags) };
    // SAFETY: the map's values are of this type; they stay for the length of the program, and are cells.
    unsafe { asked.cast::<Asked>().as_ref() }
}

/// Marks the packet's socket where the daemon found that it was connected to a DNS server before any program could see that.
#[inline(always)]
fn adopt<'a>(packet: &'a Packet<'_>) -> Option<&'a Asked> {
    // SAFETY: an entry that changes while it is read is of a list that is made anew, and says the same of this socket or is gone.
    let server = unsafe { DNS_SOCKETS.get(&packet.cookie()) }.copied()?;
    let asked = storage(packet, BPF_SK_STORAGE_GET_F_CREATE.into())?;
    asked.set_server(halves(Address::from_v6(u128::from_be_bytes(server))));
    Some(asked)
}

#[inline(always)]
fn note_question(packet: &Packet<'_>, flow: Flow) -> Option<()> {
    let asked = match asked(packet) {
        Some(asked) => asked,
        None => adopt(packet)?,
    };
    let reached = if is_to_dns(flow) {
        number(flow.destination)
    } else {
        0
    };
    let meant = match asked.server() {
        Some([high, low]) => server_number(high, low),
        None => 0,
    };
    let first = if reached == 0 { meant } else { reached };
    if first == 0 {
        return None;
    }
    let segment = packet.segment()?;
    let scratch = enter(OUTWARD)?;
    scratch.cgroup.set(cgroup_of(packet));
    let word = read(scratch, packet, segment.is_tcp, segment.data, first);
    match word {
        Some(_) if segment.is_tcp => learn::tell(OUTWARD, Outcome::Unusable, 0, 0, 0),
        Some(word) => {
            asked.add(word);
            // The answer comes from the server that the socket meant, where NAT has led the question to another one.
            if meant != 0
                && meant != first
                && let Some(word) = asked_word(OUTWARD, meant)
            {
                asked.add(word);
            }
        }
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
