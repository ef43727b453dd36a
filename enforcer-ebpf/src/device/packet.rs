//! What the kernel knows of a packet at a network device.

use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::helpers::bpf_skb_pull_data;
use aya_ebpf::programs::SkBuffContext;

use crate::skb::Packet;

/// Address families of `bpf_sock`.
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;

impl Packet<'_> {
    /// Interface index of its device.
    #[inline(always)]
    pub(super) fn device(&self) -> u32 {
        // SAFETY: the context is the kernel's for the length of the program.
        unsafe { (*self.raw()).ifindex }
    }

    /// Index of the device by which it came in; 0 if it was sent here.
    #[inline(always)]
    pub(super) fn ingress(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.raw()).ingress_ifindex }
    }

    /// Whom its Ethernet address is for (`PACKET_*` of linux/if_packet.h).
    #[inline(always)]
    pub(super) fn kind(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.raw()).pkt_type }
    }

    /// Whether the kernel or the card divides it into segments after the program. Linux 5.7.
    #[inline(always)]
    pub(super) fn is_segmented_later(&self) -> bool {
        // SAFETY: as above.
        let (size, segments) = unsafe { ((*self.raw()).gso_size, (*self.raw()).gso_segs) };
        size != 0 || segments != 0
    }
}

/// Whether a socket of the kernel's IP stack sends the packet, which writes the headers itself.
#[inline(always)]
pub(super) fn has_kernel_headers(packet: &Packet<'_>) -> bool {
    packet.socket().is_some_and(is_inet)
}

#[inline(always)]
pub(super) fn is_inet(socket: *mut bpf_sock) -> bool {
    // SAFETY: the helper that returned the socket succeeded; it stays valid for the length of the program.
    let family = unsafe { (*socket).family };
    family == AF_INET || family == AF_INET6
}

#[inline(always)]
pub(super) fn linear(context: &SkBuffContext) -> u32 {
    context.data_end().wrapping_sub(context.data()) as u32
}

/// Copies the first `len` bytes to linear memory of the packet's own.
#[inline(always)]
pub(super) fn pull(context: &SkBuffContext, len: u32) -> bool {
    // SAFETY: the context is the kernel's for the length of the program.
    unsafe { bpf_skb_pull_data(Packet(context).raw(), len) == 0 }
}
