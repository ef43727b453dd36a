//! A packet at `cgroup_skb`: its bytes, its cgroup, its verdict.

use core::mem::MaybeUninit;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::{bpf_skb_ancestor_cgroup_id, bpf_skb_load_bytes};
use aya_ebpf::programs::SkBuffContext;
use enforcer_common::{
    Bytes, Decision, Flow, PacketError, Transport, Verdict, decide_packet, read_ipv4, read_ipv6,
};

use crate::view::{KernelPolicy, Subject, exception_among};

/// Ethernet types (IEEE 802) as `__sk_buff` holds them: in network byte order.
const IPV4: u32 = 0x0800_u16.to_be() as u32;
const IPV6: u32 = 0x86dd_u16.to_be() as u32;

/// Judges the packet at hand, and says what of it could be read.
#[inline(always)]
pub(crate) fn judge(context: &SkBuffContext) -> (Flow, Decision) {
    let packet = Packet(context);
    let read = match packet.protocol() {
        IPV4 => read_ipv4(&packet),
        IPV6 => read_ipv6(&packet),
        _ => Err(PacketError::NoHeader),
    };
    let decision = decide_packet(read, &KernelPolicy(&packet));
    let flow = read.unwrap_or(Flow {
        destination: decision.destination,
        transport: Transport::Hidden(0),
    });
    (flow, decision)
}

/// Leaves verdict and reason where a test run can read them.
#[inline(always)]
pub(crate) fn leave_reason(context: &mut SkBuffContext, decision: Decision) {
    let denied = decision.verdict() == Verdict::Deny;
    // SAFETY: the context points to the kernel's `__sk_buff` for the length of the program, and the verifier allows
    // cgroup_skb programs to write the control buffer.
    unsafe { (*context.as_ptr().cast::<__sk_buff>()).cb[0] = decision.reason as u32 };
    // SAFETY: as above.
    unsafe { (*context.as_ptr().cast::<__sk_buff>()).cb[1] = denied as u32 };
}

struct Packet<'a>(&'a SkBuffContext);

impl Packet<'_> {
    #[inline(always)]
    fn raw(&self) -> *mut __sk_buff {
        self.0.as_ptr().cast()
    }

    #[inline(always)]
    fn protocol(&self) -> u32 {
        // SAFETY: the context points to the kernel's `__sk_buff` for the length of the program.
        unsafe { (*self.raw()).protocol }
    }

    /// `N` bytes through the helper, which also reaches what is not linear.
    #[inline(always)]
    fn load<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
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

impl Bytes for Packet<'_> {
    #[inline(always)]
    fn fixed<const AT: usize, const N: usize>(&self) -> Option<[u8; N]> {
        let start = self.0.data().wrapping_add(AT);
        if start.wrapping_add(N) > self.0.data_end() {
            return self.load(AT as u32);
        }
        // SAFETY: the one direct read of packet memory; the bytes lie before `data_end`, and arrays of bytes need no alignment.
        Some(unsafe { *(start as *const [u8; N]) })
    }

    #[inline(always)]
    fn at<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        self.load(offset)
    }
}

impl Subject for Packet<'_> {
    // Not a function of its own: where the kernel has no BTF of itself, the verifier takes no packet as the argument of one.
    #[inline(always)]
    fn exception(&self, high: u64, low: u64) -> u32 {
        // SAFETY: the pointer is the kernel's own to the packet at hand. A level below that of the socket's cgroup gives 0.
        let ancestor = |level| unsafe { bpf_skb_ancestor_cgroup_id(self.raw(), level as i32) };
        exception_among(ancestor, high, low)
    }
}
