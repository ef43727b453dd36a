//! A `connect` or `sendmsg` call: its destination, its process, its verdict.

use aya_ebpf::helpers::bpf_get_current_ancestor_cgroup_id;
use aya_ebpf::programs::SockAddrContext;
use enforcer_common::{Address, Decision, Flow, Hook, Transport, V6, decide};

use crate::view::{Ancestry, KernelPolicy};

/// `IPPROTO_TCP`.
const TCP: u32 = 6;
/// `IPPROTO_UDP`.
const UDP: u32 = 17;
/// `IPPROTO_MPTCP`: TCP on the wire.
const MPTCP: u32 = 262;

/// Judges the call at hand.
#[inline(always)]
pub(crate) fn judge(context: &SockAddrContext, hook: Hook) -> (Flow, Decision) {
    let destination = match hook {
        Hook::Connect4 | Hook::Sendmsg4 => destination_v4(context),
        Hook::Connect6 | Hook::Sendmsg6 | Hook::Egress => destination_v6(context),
    };
    let flow = Flow {
        destination,
        transport: transport(context),
    };
    (flow, decide(&flow, &KernelPolicy(&CurrentTask)))
}

#[inline(always)]
fn destination_v4(context: &SockAddrContext) -> Address {
    // SAFETY: the context points to the kernel's `bpf_sock_addr` for the length of the program.
    let address = unsafe { (*context.sock_addr).user_ip4 };
    Address::V4(u32::from_be(address))
}

#[inline(always)]
fn destination_v6(context: &SockAddrContext) -> Address {
    // SAFETY: as above.
    let [first, second, third, fourth] = unsafe { (*context.sock_addr).user_ip6 };
    let half = |upper, lower| u64::from(u32::from_be(upper)) << 32 | u64::from(u32::from_be(lower));
    Address::from_halves(V6 {
        high: half(first, second),
        low: half(third, fourth),
    })
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

/// The process that makes the call.
struct CurrentTask;

impl Ancestry for CurrentTask {
    #[inline(always)]
    fn ancestor(&self, level: u32) -> u64 {
        // SAFETY: the helper takes no pointer.
        unsafe { bpf_get_current_ancestor_cgroup_id(level as i32) }
    }
}
