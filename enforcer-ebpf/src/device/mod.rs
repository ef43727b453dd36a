//! The programs of network devices: what no socket hook sees is judged here, by the same rule. A packet leaves only if both places let it.

mod egress;
mod flow_store;
mod frame;
mod ingress;
mod local;
mod maps;
mod socketless;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::{SkBuffContext, TcContext};

/// Every frame that leaves by a device. Linux 4.5.
#[classifier]
#[inline(always)]
fn device_egress(context: TcContext) -> i32 {
    egress::judge(&skb(&context))
}

/// Every frame that arrives by a device: records what servers acknowledge. Decides nothing. Linux 4.5.
#[classifier]
#[inline(always)]
fn device_ingress(context: TcContext) -> i32 {
    ingress::observe(&skb(&context));
    egress::PASS
}

/// The same packet as the readers of the cgroup programs take it.
#[inline(always)]
fn skb(context: &TcContext) -> SkBuffContext {
    // SAFETY: the pointer is the kernel's `__sk_buff`, which is not null.
    SkBuffContext::new(unsafe { core::ptr::NonNull::new_unchecked(context.as_ptr().cast()) })
}
