//! Segments of this host's own TCP sockets: what the packet hook inspected is what leaves.

use aya_ebpf::bindings::bpf_sock;
use enforcer_common::tls::{Inspected, SentBytes, TcpSegment};
use enforcer_common::{Address, Reason};

use super::denial;
use super::frame::Frame;
use crate::tls::flow::storage;
use crate::tls::inspected;

/// Compares the inspected bytes that a segment carries with those recorded by the packet hook; `None` where the socket's state is about another
/// destination: an in-namespace tunnel leaves the inner socket on the outer packet, and NAT changes destinations.
#[inline(always)]
pub(super) fn check(
    frame: &mut Frame<'_>,
    socket: *mut bpf_sock,
    tcp: TcpSegment,
    destination: Address,
) -> Option<Result<(), Reason>> {
    let state = storage(socket, 0)?;
    if state.destination() != destination {
        return None;
    }
    Some(match state.inspected(tcp, destination) {
        Ok(part) => compare(frame, state.sent(), tcp, part),
        Err(reason) => Err(denial::note_name(state, reason)),
    })
}

#[inline(always)]
fn compare(
    frame: &mut Frame<'_>,
    sent: &SentBytes,
    tcp: TcpSegment,
    part: Inspected,
) -> Result<(), Reason> {
    if part.len == 0 {
        return Ok(());
    }
    if !frame.make_linear(tcp.at.wrapping_add(part.len)) {
        return Err(Reason::HelloUnreadable);
    }
    match inspected::matches_payload(frame, sent, part.from, tcp.at, part.len) {
        Some(true) => Ok(()),
        Some(false) => Err(Reason::RetransmitMismatch),
        None => Err(Reason::NoSynSeen),
    }
}
