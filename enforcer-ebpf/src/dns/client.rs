//! Sockets that query resolvers, and their pending queries.

use core::ptr;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::BPF_SK_STORAGE_GET_F_CREATE;
use aya_ebpf::helpers::{bpf_get_netns_cookie, bpf_sk_storage_get};
use aya_ebpf::programs::{SkBuffContext, SockAddrContext};
use enforcer_common::dns::{PORT, PendingQueries};
use enforcer_common::layout::NameEntry;
use enforcer_common::{Address, Flow, ObservationOutcome, Transport};

use super::name::query_word;
use super::observation;
use super::scratch::{EGRESS, claim, release};
use crate::maps::{DNS_CLIENTS, DNS_SOCKETS, DnsScratch, RESOLVERS};
use crate::policy_maps::{halves, joined, settings};
use crate::skb::Packet;

/// Marks a socket that sends to a configured resolver, if it is in a trusted network namespace: answers to it may allow addresses. Records the
/// resolver: NAT in `OUTPUT` may change the packets' destination, and the answers come from the original one.
#[inline(always)]
pub(crate) fn mark(context: &SockAddrContext, flow: Flow) {
    let is_server = is_to_dns(flow) && is_trusted(context) && number(flow.destination) != 0;
    let pending = if is_server {
        DNS_CLIENTS.get_or_insert_ptr_mut(context, None)
    } else {
        DNS_CLIENTS.get_ptr_mut(context)
    };
    // SAFETY: the map's values are of this type; they stay for the length of the program, and are cells.
    if let Some(pending) = unsafe { pending.as_ref() } {
        pending.set_server(if is_server {
            halves(flow.destination)
        } else {
            [0; 2]
        });
    }
}

/// Records the query that a marked socket sends.
#[inline(always)]
pub(crate) fn record_query(context: &SkBuffContext, flow: Flow) {
    // NAT may have changed the port of a datagram as well.
    if is_to_dns(flow) || matches!(flow.transport, Transport::Udp(_)) {
        let _most_query_other_names = record_question(&Packet(context), flow);
    }
}

#[inline(always)]
fn is_to_dns(flow: Flow) -> bool {
    matches!(flow.transport, Transport::Udp(PORT) | Transport::Tcp(PORT))
}

/// Whether the socket is in the initial or the daemon's network namespace: in a separate one, a user can run a server at any address.
#[inline(always)]
fn is_trusted(context: &SockAddrContext) -> bool {
    // SAFETY: the context is the kernel's for the length of the program.
    let network = unsafe { bpf_get_netns_cookie(context.as_ptr()) };
    // SAFETY: without a context the helper returns the cookie of the initial namespace.
    let initial = unsafe { bpf_get_netns_cookie(ptr::null_mut()) };
    network == initial || network == settings().snooping.network
}

/// Number of the resolver at `address`; 0 if there is none.
#[inline(always)]
pub(crate) fn number(address: Address) -> u32 {
    let [high, low] = halves(address);
    resolver_number(high, low)
}

/// As [`number`]. Exported for the verifier: see [`crate::policy_maps`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn resolver_number(high: u64, low: u64) -> u32 {
    // SAFETY: a number that changes while it is read is the old or the new one.
    let number = unsafe { RESOLVERS.get(&joined(high, low).key()) };
    number.copied().unwrap_or(0)
}

/// Pending queries of the packet's socket; `None` if it is not marked.
#[inline(always)]
pub(crate) fn pending<'a>(packet: &'a Packet<'_>) -> Option<&'a PendingQueries> {
    storage(packet, 0)
}

#[inline(always)]
fn storage<'a>(packet: &'a Packet<'_>, flags: u64) -> Option<&'a PendingQueries> {
    let socket = packet.socket()?;
    let map = ptr::from_ref(&DNS_CLIENTS).cast_mut();
    // SAFETY: the map is one of socket storage, and the socket a full one of the kernel's.
    let pending = unsafe { bpf_sk_storage_get(map.cast(), socket.cast(), ptr::null_mut(), flags) };
    // SAFETY: the map's values are of this type; they stay for the length of the program, and are cells.
    unsafe { pending.cast::<PendingQueries>().as_ref() }
}

/// Marks the packet's socket if the daemon listed it as connected to a resolver before the programs could see that.
#[inline(always)]
fn adopt<'a>(packet: &'a Packet<'_>) -> Option<&'a PendingQueries> {
    // SAFETY: an entry that changes while it is read is replaced by the same value, or removed.
    let server = unsafe { DNS_SOCKETS.get(&packet.cookie()) }.copied()?;
    let pending = storage(packet, BPF_SK_STORAGE_GET_F_CREATE.into())?;
    pending.set_server(halves(Address::from_v6(u128::from_be_bytes(server))));
    Some(pending)
}

#[inline(always)]
fn record_question(packet: &Packet<'_>, flow: Flow) -> Option<()> {
    let pending = match pending(packet) {
        Some(pending) => pending,
        None => adopt(packet)?,
    };
    let destination = if is_to_dns(flow) {
        number(flow.destination)
    } else {
        0
    };
    let addressed = match pending.server() {
        Some([high, low]) => resolver_number(high, low),
        None => 0,
    };
    let first = if destination == 0 {
        addressed
    } else {
        destination
    };
    if first == 0 {
        return None;
    }
    let segment = packet.segment()?;
    let scratch = claim(EGRESS)?;
    scratch.cgroup.set(packet.cgroup());
    let word = read(scratch, packet, segment.is_tcp, segment.data, first);
    match word {
        Some(_) if segment.is_tcp => {
            observation::report(EGRESS, ObservationOutcome::Unusable, 0, 0, 0)
        }
        Some(word) => {
            let is_watched = scratch.entry.get().flags & NameEntry::WATCHED != 0;
            add(pending, word, is_watched);
            // The answer comes from the resolver that the socket addressed, even if NAT redirected the query.
            if addressed != 0
                && addressed != first
                && let Some(word) = query_word(EGRESS, addressed)
            {
                add(pending, word, is_watched);
            }
        }
        None => {}
    }
    release(EGRESS);
    word.map(|_| ())
}

#[inline(always)]
fn add(pending: &PendingQueries, word: u64, is_watched: bool) {
    if is_watched {
        pending.add_watched(word);
    } else {
        pending.add(word);
    }
}

/// The query in the packet's data. Over TCP a length precedes it (RFC 1035 section 4.2.2), unless that is in a separate segment.
#[inline(always)]
fn read(
    scratch: &DnsScratch,
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
    query_word(EGRESS, server)
}
