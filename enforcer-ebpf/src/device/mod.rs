//! The programs of network devices: what no socket hook sees is judged here, by the same rule. A packet leaves only if both places let it.

mod denial;
mod egress;
mod flow_store;
mod frame;
mod ingress;
mod local;
mod looped_back;
mod maps;
mod packet;
mod plain;
mod socket_options;
mod socketless;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::macros::{cgroup_sockopt, classifier, lsm_cgroup};
use aya_ebpf::programs::{LsmContext, SkBuffContext, SockoptContext, TcContext};

use crate::report::socket_options::Caller;

/// Every frame that leaves by a device. Linux 4.5.
#[classifier]
#[inline(always)]
fn device_egress(context: TcContext) -> i32 {
    egress::judge(&skb(&context))
}

/// Every frame that arrives by a device: records what servers acknowledge, and judges only what this host sent. Linux 4.5.
#[classifier]
#[inline(always)]
fn device_ingress(context: TcContext) -> i32 {
    ingress::observe(&skb(&context))
}

/// A call of `setsockopt`. Linux 5.3; the helpers that name its caller came later.
#[cgroup_sockopt(setsockopt)]
#[inline(always)]
fn socket_options(context: SockoptContext) -> i32 {
    socket_options::judge_call(&context, Caller::Known)
}

/// The same where these helpers are missing.
#[cgroup_sockopt(setsockopt)]
#[inline(always)]
fn socket_options_plain(context: SockoptContext) -> i32 {
    socket_options::judge_call(&context, Caller::CgroupOnly)
}

/// The same call, also of a 32-bit program. Linux 6.0.
#[lsm_cgroup(hook = "socket_setsockopt")]
#[inline(always)]
fn socket_options_lsm(context: LsmContext) -> i32 {
    socket_options::judge_lsm(&context)
}

/// The same packet as the readers of the cgroup programs take it.
#[inline(always)]
fn skb(context: &TcContext) -> SkBuffContext {
    // SAFETY: the pointer is the kernel's `__sk_buff`, which is not null.
    SkBuffContext::new(unsafe { core::ptr::NonNull::new_unchecked(context.as_ptr().cast()) })
}
