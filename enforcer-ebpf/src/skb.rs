//! A packet at `cgroup_skb`: access to its bytes, its socket and its cgroup.

use core::hint::black_box;
use core::mem::MaybeUninit;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{__sk_buff, bpf_sock};
use aya_ebpf::helpers::{
    bpf_get_socket_cookie, bpf_sk_fullsock, bpf_skb_ancestor_cgroup_id, bpf_skb_cgroup_id,
    bpf_skb_load_bytes,
};
use aya_ebpf::programs::SkBuffContext;
use enforcer_common::dns::Segment;
use enforcer_common::{Bytes, Words};

use crate::policy_maps::{self, CgroupSource, exception_among};
use crate::tls::connection::Payload;

/// Ethernet types (IEEE 802) as `__sk_buff` has them: in network byte order.
pub(crate) const IPV4: u32 = 0x0800_u16.to_be() as u32;
pub(crate) const IPV6: u32 = 0x86dd_u16.to_be() as u32;

/// A packet of a `cgroup_skb` program.
pub(crate) struct Packet<'a>(pub(crate) &'a SkBuffContext);

impl Packet<'_> {
    #[inline(always)]
    pub(crate) fn raw(&self) -> *mut __sk_buff {
        self.0.as_ptr().cast()
    }

    /// Id of the cgroup of its socket.
    #[inline(always)]
    pub(crate) fn cgroup(&self) -> u64 {
        // SAFETY: the context is the kernel's for the length of the program.
        unsafe { bpf_skb_cgroup_id(self.raw()) }
    }

    /// Cookie of its socket.
    #[inline(always)]
    pub(crate) fn cookie(&self) -> u64 {
        // SAFETY: the context is the kernel's for the length of the program.
        unsafe { bpf_get_socket_cookie(self.0.as_ptr()) }
    }

    /// Its Ethernet type.
    #[inline(always)]
    pub(crate) fn protocol(&self) -> u32 {
        // SAFETY: the context points to the kernel's `__sk_buff` for the length of the program.
        unsafe { (*self.raw()).protocol }
    }

    /// IP version; 0 for another protocol.
    #[inline(always)]
    pub(crate) fn version(&self) -> u32 {
        match self.protocol() {
            IPV4 => 4,
            IPV6 => 6,
            _ => 0,
        }
    }

    /// Length of the packet, in bytes.
    #[inline(always)]
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.raw()).len }
    }

    /// Its addresses and ports.
    #[inline(always)]
    pub(crate) fn segment(&self) -> Option<Segment> {
        match self.protocol() {
            IPV4 => Segment::read_ipv4(self),
            IPV6 => Segment::read_ipv6(self),
            _ => None,
        }
    }

    /// Its socket, which may be a request or time-wait socket.
    #[inline(always)]
    pub(crate) fn sender(&self) -> Option<*mut bpf_sock> {
        // SAFETY: as above.
        let socket = unsafe { (*self.raw()).__bindgen_anon_2.sk };
        (!socket.is_null()).then_some(socket)
    }

    /// Its socket, if that is a full one.
    #[inline(always)]
    pub(crate) fn socket(&self) -> Option<*mut bpf_sock> {
        let socket = self.sender()?;
        // SAFETY: the socket is the kernel's for the length of the program.
        let socket = unsafe { bpf_sk_fullsock(socket) };
        if socket.is_null() { None } else { Some(socket) }
    }

    /// A [`Plain`] at the constant offset `at`, if that part of the packet is linear.
    #[inline(always)]
    pub(crate) fn linear<T: Plain>(&self, at: usize) -> Option<T> {
        let start = self.0.data().wrapping_add(at);
        if start.wrapping_add(size_of::<T>()) > self.0.data_end() {
            return None;
        }
        // SAFETY: the one direct read of packet memory; all of it is before `data_end`, and any bytes are a valid `Plain`. The verifier
        // enforces alignment on machines that need it.
        Some(unsafe { *(start as *const T) })
    }

    /// `N` bytes through the helper, which also reaches the non-linear part.
    #[inline(always)]
    pub(crate) fn load<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<[u8; N]>::uninit();
        // SAFETY: the buffer holds `N` bytes, and the helper writes all of them or fails.
        let status = unsafe {
            bpf_skb_load_bytes(
                self.raw().cast(),
                offset,
                bytes.as_mut_ptr().cast(),
                N as u32,
            )
        };
        if status != 0 {
            return None;
        }
        // SAFETY: the helper succeeded.
        Some(unsafe { bytes.assume_init() })
    }
}

/// Types for which any bytes are valid.
pub(crate) trait Plain: Copy {}

impl<const N: usize> Plain for [u8; N] {}

impl<const N: usize> Plain for [u32; N] {}

impl Bytes for Packet<'_> {
    #[inline(always)]
    fn fixed<const AT: usize, const N: usize>(&self) -> Option<[u8; N]> {
        self.linear(AT).or_else(|| self.load(AT as u32))
    }

    #[inline(always)]
    fn at<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        self.load(offset)
    }
}

impl Words for Packet<'_> {
    #[inline(always)]
    fn words<const N: usize>(&self) -> Option<[u32; N]> {
        self.linear(0)
    }
}

impl Payload for Packet<'_> {
    #[inline(always)]
    fn word(&self, offset: u32, len: u32) -> Option<u64> {
        // Linux 5.10 derives no bound from a comparison with 0, but does from `less > 7`; `black_box` keeps the compiler from merging the two.
        let less = black_box(len.wrapping_sub(1));
        if less > 7 {
            return None;
        }
        let mut word = [0; 8];
        // SAFETY: the buffer has room for eight bytes.
        let status = unsafe {
            bpf_skb_load_bytes(
                self.raw().cast(),
                offset,
                word.as_mut_ptr().cast(),
                less.wrapping_add(1),
            )
        };
        (status == 0).then_some(u64::from_le_bytes(word))
    }

    #[inline(always)]
    unsafe fn load_to(&self, place: *mut u8, offset: u32, len: u32) -> Option<()> {
        // SAFETY: as the caller promises.
        let status = unsafe { bpf_skb_load_bytes(self.raw().cast(), offset, place.cast(), len) };
        (status == 0).then_some(())
    }

    /// A socket sends one packet at a time, under its lock.
    #[inline(always)]
    fn scratch_key(&self) -> u64 {
        self.cookie()
    }

    /// Linux 5.0.
    #[inline(always)]
    fn departure_time(&self) -> u64 {
        // SAFETY: as in `protocol`.
        unsafe { (*self.raw()).tstamp }
    }

    #[inline(always)]
    fn first_scope<T>(&self, found: impl Fn(u64) -> Option<T>) -> Option<T> {
        // SAFETY: the pointer is the kernel's, to the current packet. A level below that of the socket's cgroup gives 0.
        let ancestor = |level| unsafe { bpf_skb_ancestor_cgroup_id(self.raw(), level) };
        policy_maps::first_scope(ancestor, found)
    }
}

impl CgroupSource for Packet<'_> {
    // Not a separate function: without kernel BTF, the verifier accepts no packet as a function argument.
    #[inline(always)]
    fn exception(&self, high: u64, low: u64) -> u32 {
        // SAFETY: the pointer is the kernel's, to the current packet. A level below that of the socket's cgroup gives 0.
        let ancestor = |level| unsafe { bpf_skb_ancestor_cgroup_id(self.raw(), level) };
        exception_among(ancestor, high, low)
    }
}
