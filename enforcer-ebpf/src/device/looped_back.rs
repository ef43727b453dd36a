//! Frames of this host's own containers that come in by a card, so that the host would forward them as if another host had sent them.

use aya_ebpf::programs::SkBuffContext;
use enforcer_common::Verdict;
use enforcer_common::layout::{Arrivals, Device, LinkHeader};

use super::denial;
use super::egress::{DROP, PASS, decision, is_audited};
use crate::skb::Packet;

/// `PACKET_HOST` (linux/if_packet.h): the Ethernet address is the device's.
const TO_THIS_HOST: u32 = 0;

/// Whether a process of this host sent a frame where only other hosts' arrive: MACVLAN and IPVLAN pass frames between their devices and to the host by the
/// card below them. It could have any source address.
#[inline(always)]
pub(super) fn is_looped_back(context: &SkBuffContext, device: Device) -> bool {
    device.arrivals != Arrivals::Any as u32 && Packet(context).sender().is_some()
}

/// Judges such a frame by its addresses, and returns what becomes of it. One to another container is judged where that one's frames leave.
#[inline(always)]
pub(super) fn judge(context: &SkBuffContext, device: Device) -> i32 {
    if Packet(context).kind() != TO_THIS_HOST {
        return PASS;
    }
    let header = LinkHeader::from_code(device.header);
    let Some((flow, decision)) = decision::<true>(context, header) else {
        return PASS;
    };
    if decision.verdict() == Verdict::Allow {
        return PASS;
    }
    let index = Packet(context).device();
    let is_audited = is_audited(index);
    denial::report(context, flow, decision, index, is_audited);
    if is_audited { PASS } else { DROP }
}
