//! What servers acknowledge: the half of a connection that its sender cannot forge, unless an accomplice sends from the server's address.

use aya_ebpf::programs::SkBuffContext;
use enforcer_common::frame::Contents;
use enforcer_common::layout::{Device, DeviceFlowKey, LinkHeader};
use enforcer_common::tls::TcpReply;
use enforcer_common::{Address, Bytes as _};

use super::egress::{PASS, device};
use super::frame::Frame;
use super::{flow_store, looped_back};
use crate::skb::Packet;
use crate::tls::flow::transport_at;

/// Records the acknowledgement in a segment from port 443, and returns what becomes of the frame.
#[inline(always)]
pub(super) fn observe(context: &SkBuffContext) -> i32 {
    if let Some(device) = device(Packet(context).device()) {
        if looped_back::is_looped_back(context, device) {
            return looped_back::judge(context, device);
        }
        note_answer(context, device);
    }
    PASS
}

#[inline(always)]
fn note_answer(context: &SkBuffContext, device: Device) {
    let Some(header) = LinkHeader::from_code(device.header) else {
        return;
    };
    let mut frame = Frame::open_to_observe(context);
    if let Contents::Ip(_) = frame.find_ip(header)
        && let Some(scratch) = flow_store::scratch()
        && let Some(reply) = read(&frame, &mut scratch.key)
    {
        record(&scratch.key, reply);
    }
}

#[inline(always)]
fn record(key: &DeviceFlowKey, reply: TcpReply) {
    if reply.opens() {
        flow_store::answer(key, reply.acknowledged, reply.sequence);
    } else if let Some(acknowledged) = reply.acknowledges() {
        flow_store::acknowledge(key, acknowledged, reply.sequence);
    }
    if reply.resets() {
        flow_store::closed(key);
    }
}

/// Parses a segment from port 443, and writes the key of its connection, from the side of the client.
#[inline(always)]
fn read(frame: &Frame<'_>, key: &mut DeviceFlowKey) -> Option<TcpReply> {
    let reply = TcpReply::read(frame, transport_at(frame)?)?;
    if frame.version() == 4 {
        key.destination = Address::from_v4(u32::from_be_bytes(frame.at(12)?)).key();
        key.source = Address::from_v4(u32::from_be_bytes(frame.at(16)?)).key();
    } else {
        key.destination = Address::from_v6(u128::from_be_bytes(frame.at(8)?)).key();
        key.source = Address::from_v6(u128::from_be_bytes(frame.at(24)?)).key();
    }
    key.device = frame.device();
    key.port = reply.port.into();
    Some(reply)
}
