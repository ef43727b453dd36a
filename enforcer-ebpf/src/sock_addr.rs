//! A `connect` or `sendmsg` call: its destination, and the policy for the calling process.

use aya_ebpf::helpers::bpf_get_current_ancestor_cgroup_id;
use aya_ebpf::programs::SockAddrContext;
use enforcer_common::{Address, Flow, Hook, Transport};

use crate::policy_maps::{CgroupSource, KernelPolicy, exception_among};

/// `IPPROTO_TCP`.
const TCP: u32 = 6;
/// `IPPROTO_UDP`.
const UDP: u32 = 17;
/// `SOCK_DGRAM`.
const DATAGRAM: u32 = 2;
/// `SOCK_RAW`.
const RAW: u32 = 3;
/// `IPPROTO_MPTCP`: TCP on the wire.
const MPTCP: u32 = 262;

/// The policy for the current process.
pub(crate) const POLICY: KernelPolicy<'_, CurrentTask> = KernelPolicy(&CurrentTask);

/// Flow of the call.
#[inline(always)]
pub(crate) fn flow(context: &SockAddrContext, hook: Hook) -> Flow {
    let destination = match hook {
        Hook::Connect4 | Hook::Sendmsg4 => destination_v4(context),
        Hook::Connect6 | Hook::Sendmsg6 | Hook::Egress | Hook::Device | Hook::Setsockopt => {
            destination_v6(context)
        }
    };
    Flow {
        destination,
        transport: transport(context),
    }
}

#[inline(always)]
fn destination_v4(context: &SockAddrContext) -> Address {
    // SAFETY: the context points to the kernel's `bpf_sock_addr` for the length of the program.
    let address = unsafe { (*context.sock_addr).user_ip4 };
    Address::from_v4(u32::from_be(address))
}

#[inline(always)]
fn destination_v6(context: &SockAddrContext) -> Address {
    // SAFETY: as above.
    let [first, second, third, fourth] = unsafe { (*context.sock_addr).user_ip6 };
    let half = |upper, lower| {
        let (upper, lower) = (u32::from_be(upper), u32::from_be(lower));
        u128::from(u64::from(upper) << 32 | u64::from(lower))
    };
    Address::from_v6(half(first, second) << 64 | half(third, fourth))
}

#[inline(always)]
fn transport(context: &SockAddrContext) -> Transport {
    // SAFETY: as above.
    let (protocol, port) = unsafe {
        (
            (*context.sock_addr).protocol,
            (*context.sock_addr).user_port,
        )
    };
    let port = u16::from_be(port as u16);
    match protocol {
        TCP | MPTCP => Transport::Tcp(port),
        UDP => Transport::Udp(port),
        other => Transport::Other(other as u8),
    }
}

/// Whether connecting the socket only sets its default destination (`SOCK_DGRAM`, `SOCK_RAW`).
#[inline(always)]
pub(crate) fn is_connectionless(context: &SockAddrContext) -> bool {
    // SAFETY: as above.
    let kind = unsafe { (*context.sock_addr).type_ };
    kind == DATAGRAM || kind == RAW
}

/// The calling process.
pub(crate) struct CurrentTask;

impl CgroupSource for CurrentTask {
    #[inline(always)]
    fn exception(&self, high: u64, low: u64) -> u32 {
        exception_of_task(high, low)
    }
}

/// Exported for the verifier: see [`crate::policy_maps`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn exception_of_task(high: u64, low: u64) -> u32 {
    // SAFETY: the helper takes no pointer. A level below that of the process's cgroup gives 0.
    let ancestor = |level| unsafe { bpf_get_current_ancestor_cgroup_id(level) };
    exception_among(ancestor, high, low)
}
