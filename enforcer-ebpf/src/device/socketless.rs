//! TCP segments that no socket of this host sends: forwarded ones, and those of packet sockets. What the server acknowledged decides which ClientHello
//! counts, since a sender without a socket can send any segment.

use enforcer_common::layout::{DeviceFlowKey, VerifiedFlow};
use enforcer_common::tls::{GrantValidity as _, NamePolicy as _, TcpSegment};
use enforcer_common::{Address, Bytes, Decision, Flow, Reason};

use super::frame::Frame;
use super::{denial, flow_store};
use crate::tls::connection::{Connection, CurrentSettings};

/// Checks a segment to port 443 of an address that `decision` allows for a name.
///
/// # Errors
/// The reason to deny it for.
#[inline(always)]
pub(super) fn check(
    frame: &mut Frame<'_>,
    flow: Flow,
    decision: Decision,
    tcp: TcpSegment,
) -> Result<(), Reason> {
    let Some(scratch) = flow_store::scratch() else {
        return Err(Reason::NoSynSeen);
    };
    if write_key(frame, flow.destination, &mut scratch.key).is_none() {
        return Err(Reason::HelloUnreadable);
    }
    let key = &scratch.key;
    if tcp.len == 0 {
        note_empty(key, tcp);
        return Ok(());
    }
    if tcp.has_syn() {
        return Err(Reason::FastOpen);
    }
    if flow_store::answered(key).is_none()
        && let Some(verified) = flow_store::verified(key)
    {
        return check_verified(&Connection::new(frame, decision), tcp, verified);
    }
    // Not a terminal reason: TCP sends the segment again.
    if !flow_store::claim(key) {
        return Err(Reason::NoSynSeen);
    }
    scratch.digest = flow_store::digest(key);
    frame.set_connection(&scratch.digest);
    let checked = check_partial(frame, flow, decision, tcp, key, &mut scratch.verified);
    flow_store::release(key);
    if tcp.closes() {
        flow_store::closed(key);
    }
    checked
}

/// The reason that a segment of a verified connection passes for, if it needs no new look-up of the grant.
#[inline(always)]
pub(super) fn verified(key: &DeviceFlowKey, sequence: u32) -> Option<Reason> {
    if flow_store::answered(key).is_some() {
        return None;
    }
    let flow = flow_store::verified(key)?;
    // The last acknowledgement of a closed connection must not make it an open one.
    let is_current = flow.last_seen != 0
        && flow.follows(sequence)
        && flow.epoch == CurrentSettings.epoch()
        && CurrentSettings.is_ahead(flow.deadline);
    if !is_current {
        return None;
    }
    flow.last_seen = flow_store::now();
    if flow.cgroup == 0 {
        return Some(Reason::AllowedName);
    }
    Some(Reason::ExceptionName)
}

/// Records a segment without payload, which passes.
#[inline(always)]
fn note_empty(key: &DeviceFlowKey, tcp: TcpSegment) {
    if tcp.opens() {
        flow_store::opened(key, tcp.sequence.wrapping_add(1));
    } else if tcp.closes() {
        flow_store::closed(key);
    }
}

/// Checks a segment of a connection whose ClientHello was verified and acknowledged.
#[inline(always)]
fn check_verified(
    connection: &Connection<'_, Frame<'_>>,
    tcp: TcpSegment,
    flow: &mut VerifiedFlow,
) -> Result<(), Reason> {
    if !flow.follows(tcp.sequence) {
        return Err(Reason::HelloOutOfOrder);
    }
    let epoch = connection.epoch();
    if flow.epoch != epoch || !connection.is_ahead(flow.deadline) {
        let Some(grant) = connection.grant(flow.names) else {
            return Err(Reason::ServerNameElsewhere);
        };
        flow.cgroup = grant.cgroup;
        flow.deadline = grant.deadline;
        flow.epoch = epoch;
    }
    flow.last_seen = if tcp.closes() { 0 } else { flow_store::now() };
    Ok(())
}

/// Checks a segment of a connection whose ClientHello is not acknowledged yet.
#[inline(always)]
fn check_partial(
    frame: &mut Frame<'_>,
    flow: Flow,
    decision: Decision,
    tcp: TcpSegment,
    key: &DeviceFlowKey,
    verified: &mut VerifiedFlow,
) -> Result<(), Reason> {
    let connection = Connection::new(frame, decision);
    if connection.is_unchecked() {
        return Ok(());
    }
    // Only now, while no other CPU uses the connection's state.
    let partial = match flow_store::answered(key) {
        Some(opening) => {
            let begun = flow_store::begin(key, flow.destination, opening, frame.ingress());
            begun.ok_or(Reason::FlowsFull)?
        }
        None => flow_store::partial(key).ok_or(Reason::NoSynSeen)?,
    };
    if !partial.accepts(tcp.sequence, tcp.sequence.wrapping_add(tcp.len)) {
        return Err(denial::note_name(&partial.flow, partial.refusal()));
    }
    if !frame.make_linear(tcp.at.wrapping_add(tcp.len)) {
        return Err(Reason::HelloUnreadable);
    }
    let connection = Connection::new(frame, decision);
    let checked = partial
        .flow
        .check_segment(&connection, tcp, flow.destination, &connection);
    if let Err(reason) = checked {
        return Err(denial::note_name(&partial.flow, reason));
    }
    partial.last_seen = flow_store::now();
    if !partial.accepts(tcp.sequence, tcp.sequence.wrapping_add(tcp.len)) {
        return Err(Reason::HelloOutOfOrder);
    }
    if partial.write_verified(verified) {
        flow_store::promote(key, verified, frame.ingress());
    }
    Ok(())
}

/// Writes the key of the connection of a segment to `destination`; `None` past the end.
#[inline(always)]
fn write_key(frame: &Frame<'_>, destination: Address, key: &mut DeviceFlowKey) -> Option<()> {
    let [first] = frame.at(0)?;
    let at = if first >> 4 == 4 {
        u32::from(first & 0x0f) * 4
    } else {
        40
    };
    key.source = frame.source()?.key();
    key.destination = destination.key();
    key.device = frame.device();
    key.port = u16::from_be_bytes(frame.at(at)?).into();
    Some(())
}
