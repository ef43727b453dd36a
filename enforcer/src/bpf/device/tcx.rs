//! Programs that the kernel runs before all filters (tcx, Linux 6.6).

use crate::bpf::syscall;
use crate::sys::TcHook;

/// `BPF_PROG_QUERY` of linux/bpf.h.
const PROG_QUERY: libc::c_int = 16;
/// `BPF_TCX_INGRESS` and `BPF_TCX_EGRESS` of `enum bpf_attach_type`.
const TCX_INGRESS: u32 = 46;
const TCX_EGRESS: u32 = 47;
/// Programs that are listed at most.
const MAX_PROGRAMS: usize = 16;

/// The part of `union bpf_attr` (linux/bpf.h) that `BPF_PROG_QUERY` takes.
#[repr(C)]
struct ProgQuery {
    target_ifindex: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    count: u32,
    padding: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// Describes the programs at one place of a device; none where the kernel has no tcx. aya would open each program, which requires `CAP_SYS_ADMIN`.
pub(super) fn programs(index: u32, hook: TcHook) -> Vec<String> {
    let mut ids = [0_u32; MAX_PROGRAMS];
    let mut query = ProgQuery {
        target_ifindex: index,
        attach_type: match hook {
            TcHook::Egress => TCX_EGRESS,
            TcHook::Ingress => TCX_INGRESS,
        },
        query_flags: 0,
        attach_flags: 0,
        prog_ids: ids.as_mut_ptr().expose_provenance() as u64,
        count: MAX_PROGRAMS as u32,
        padding: 0,
        prog_attach_flags: 0,
        link_ids: 0,
        link_attach_flags: 0,
        revision: 0,
    };
    // SAFETY: the array of ids outlives the call, its length is passed, and the attributes are of this command.
    let listed = unsafe { syscall::done(PROG_QUERY, &mut query) };
    // ENOSPC: there are more.
    if let Err(error) = listed
        && error.raw_os_error() != Some(libc::ENOSPC)
    {
        return Vec::new();
    }
    let ids = ids.into_iter().filter(|id| *id != 0);
    ids.map(|id| format!("the tcx program with id {id} (`bpftool prog show id {id}`)"))
        .collect()
}
