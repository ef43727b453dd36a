//! A frame at a network device: its bytes, from the IP header on, and its socket.

use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::helpers::bpf_skb_ancestor_cgroup_id;
use aya_ebpf::programs::SkBuffContext;
use enforcer_common::frame::{Contents, LinkCursor, MAX_LINK_HEADERS, Step};
use enforcer_common::layout::{ANY_SCOPE, LinkHeader};
use enforcer_common::{Address, Bytes};

use super::packet::{has_kernel_headers, is_inet, linear, pull};
use crate::policy_maps::{self, CgroupSource, exception_among, exception_of};
use crate::skb::Packet;
use crate::tls::connection::Payload;
use crate::tls::flow::is_stream;
use crate::verifier;

/// Bytes of headers that are read: more than an Ethernet header with tags, an IP header with options and a TCP header have together.
const HEADERS: u32 = 256;
/// Length of an IPv6 header, in bytes.
const IPV6_LEN: u32 = 40;

/// A frame whose headers are in memory that no process can write.
pub(super) struct Frame<'a> {
    context: &'a SkBuffContext,
    /// Offset of the IP header.
    start: u32,
    /// Length of the linear part, in bytes: what follows may be in pages of a process.
    linear: u32,
    /// Digest of its connection, if no socket sends it.
    connection: Option<&'a u64>,
}

/// Who sends a frame.
#[derive(Clone, Copy)]
pub(super) enum Sender {
    /// A TCP socket of this host, without another device in between.
    Tcp(*mut bpf_sock),
    /// Another socket, or none: a packet socket, a forwarded packet, a tunnel.
    Other,
}

impl<'a> Frame<'a> {
    /// Makes the headers linear; `None` if the kernel cannot.
    #[inline(always)]
    pub(super) fn open(context: &'a SkBuffContext) -> Option<Self> {
        let packet = Packet(context);
        let headers = packet.len().min(HEADERS);
        if linear(context) < headers && !has_kernel_headers(&packet) && !pull(context, headers) {
            return None;
        }
        Some(Self {
            context,
            start: 0,
            linear: linear(context),
            connection: None,
        })
    }

    /// A frame on which nothing is decided: its bytes may be anywhere.
    #[inline(always)]
    pub(super) fn open_to_observe(context: &'a SkBuffContext) -> Self {
        Self {
            context,
            start: 0,
            linear: Packet(context).len(),
            connection: None,
        }
    }

    /// Finds the IP header, from which on offsets then count.
    #[inline(always)]
    pub(super) fn find_ip(&mut self, header: LinkHeader) -> Contents {
        let protocol = u16::from_be(self.packet().protocol() as u16);
        let Some(mut cursor) = LinkCursor::start(self, header, protocol) else {
            return Contents::Unreadable;
        };
        for _ in 0..MAX_LINK_HEADERS {
            match cursor.step(self) {
                Step::Next(next) => {
                    let bits =
                        verifier::forget(u64::from(next.at) << 16 | u64::from(next.protocol));
                    cursor = LinkCursor {
                        protocol: bits as u16,
                        at: (bits >> 16) as u32,
                    };
                }
                Step::End(Contents::Ip(at)) => {
                    self.start = verifier::forget(at.into()) as u32;
                    return Contents::Ip(self.start);
                }
                Step::End(contents) => return contents,
            }
        }
        Contents::Unreadable
    }

    #[inline(always)]
    pub(super) const fn packet(&self) -> Packet<'a> {
        Packet(self.context)
    }

    /// Index of its device.
    #[inline(always)]
    pub(super) fn device(&self) -> u32 {
        self.packet().device()
    }

    /// IP version in the header; 0 past the end.
    #[inline(always)]
    pub(super) fn version(&self) -> u8 {
        self.at::<1>(0).map_or(0, |[first]| first >> 4)
    }

    /// Source address; `None` past the end.
    #[inline(always)]
    pub(super) fn source(&self) -> Option<Address> {
        Some(if self.version() == 4 {
            Address::from_v4(u32::from_be_bytes(self.at(12)?))
        } else {
            Address::from_v6(u128::from_be_bytes(self.at(8)?))
        })
    }

    /// Length of the IP packet, in bytes: what follows is padding. The header of a packet that is segmented later says nothing about the segments.
    #[inline(always)]
    pub(super) fn len(&self) -> u32 {
        let whole = self.packet().len().saturating_sub(self.start);
        if self.packet().is_segmented_later() {
            return whole;
        }
        let [first, _, v4_high, v4_low, v6_high, v6_low] = self.at(0).unwrap_or([0; 6]);
        let (length, header) = if first >> 4 == 4 {
            ([v4_high, v4_low], 0)
        } else {
            ([v6_high, v6_low], IPV6_LEN)
        };
        // Zero in packets of more than 64 KiB (RFC 2675).
        match u16::from_be_bytes(length) {
            0 => whole,
            length => whole.min(header + u32::from(length)),
        }
    }

    #[inline(always)]
    pub(super) fn sender(&self) -> Sender {
        match self.packet().socket() {
            Some(socket) if !self.is_bridged() && is_inet(socket) && is_stream(socket) => {
                Sender::Tcp(socket)
            }
            _ => Sender::Other,
        }
    }

    /// Whether it arrived by another device: a container's socket says what the container sent, not what a server received.
    #[inline(always)]
    fn is_bridged(&self) -> bool {
        self.ingress() != 0
    }

    /// Index of the device by which it came in; 0 if it was sent here.
    #[inline(always)]
    pub(super) fn ingress(&self) -> u32 {
        self.packet().ingress()
    }

    /// Treats it as one of the connection with this digest.
    #[inline(always)]
    pub(super) fn set_connection(&mut self, digest: &'a u64) {
        self.connection = Some(digest);
    }

    /// Makes `len` bytes from the IP header on linear, so that what is checked is what leaves; `false` if the kernel cannot.
    #[inline(always)]
    pub(super) fn make_linear(&mut self, len: u32) -> bool {
        let len = self.start.wrapping_add(len);
        if self.linear < len {
            if len > self.packet().len() || !pull(self.context, len) {
                return false;
            }
            self.linear = linear(self.context);
        }
        self.linear >= len
    }

    #[inline(always)]
    fn is_linear(&self, offset: u32, len: u32) -> bool {
        offset.wrapping_add(self.start).wrapping_add(len) <= self.linear
    }
}

impl Bytes for Frame<'_> {
    #[inline(always)]
    fn fixed<const AT: usize, const N: usize>(&self) -> Option<[u8; N]> {
        self.at(AT as u32)
    }

    #[inline(always)]
    fn at<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        if !self.is_linear(offset, N as u32) {
            return None;
        }
        self.packet().load(offset.wrapping_add(self.start))
    }
}

impl Payload for Frame<'_> {
    #[inline(always)]
    fn word(&self, offset: u32, len: u32) -> Option<u64> {
        if !self.is_linear(offset, len) {
            return None;
        }
        self.packet().word(offset.wrapping_add(self.start), len)
    }

    #[inline(always)]
    unsafe fn load_to(&self, place: *mut u8, offset: u32, len: u32) -> Option<()> {
        if !self.is_linear(offset, len) {
            return None;
        }
        // SAFETY: as the caller promises.
        unsafe {
            self.packet()
                .load_to(place, offset.wrapping_add(self.start), len)
        }
    }

    #[inline(always)]
    fn scratch_key(&self) -> u64 {
        match self.connection {
            Some(digest) => *digest,
            None => self.packet().cookie(),
        }
    }

    /// What is checked was copied first.
    #[inline(always)]
    fn departure_time(&self) -> u64 {
        0
    }

    #[inline(always)]
    fn first_scope<T>(&self, found: impl Fn(u64) -> Option<T>) -> Option<T> {
        if self.packet().socket().is_none() {
            return found(ANY_SCOPE);
        }
        // SAFETY: the pointer is the kernel's, to the current packet. A level below that of the socket's cgroup gives 0.
        let ancestor = |level| unsafe { bpf_skb_ancestor_cgroup_id(self.packet().raw(), level) };
        policy_maps::first_scope(ancestor, found)
    }
}

impl CgroupSource for Frame<'_> {
    #[inline(always)]
    fn exception(&self, high: u64, low: u64) -> u32 {
        if self.packet().socket().is_none() {
            return exception_of(ANY_SCOPE, high, low);
        }
        // SAFETY: as in `first_scope`.
        let ancestor = |level| unsafe { bpf_skb_ancestor_cgroup_id(self.packet().raw(), level) };
        exception_among(ancestor, high, low)
    }
}
