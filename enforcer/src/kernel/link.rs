//! What a pinned link is attached to.

use std::ffi::CString;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::{fs, io};

use super::raw;

/// `BPF_OBJ_GET` of linux/bpf.h.
const OBJ_GET: libc::c_int = 7;

/// The part of `union bpf_attr` (linux/bpf.h) that `BPF_OBJ_GET` takes.
#[repr(C)]
struct ObjGet {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// Whether the link that is pinned at `place` is attached to a cgroup that exists. One that was detached by force, or whose cgroup was
/// removed, stays pinned and judges nothing.
pub(super) fn is_attached(place: &Path) -> bool {
    let attached = || -> io::Result<bool> {
        let link = open(place)?;
        let told = fs::read_to_string(format!("/proc/self/fdinfo/{}", link.as_raw_fd()))?;
        Ok(cgroup_id(&told).is_some_and(|id| id != 0))
    };
    attached().unwrap_or(false)
}

/// The line `cgroup_id` of a link's fdinfo; 0 once the link is detached.
fn cgroup_id(fdinfo: &str) -> Option<u64> {
    let mut lines = fdinfo.lines();
    lines.find_map(|line| line.strip_prefix("cgroup_id:")?.trim().parse().ok())
}

fn open(place: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(place.as_os_str().as_bytes())?;
    let attributes = ObjGet {
        pathname: path.as_ptr().addr() as u64,
        bpf_fd: 0,
        file_flags: 0,
    };
    // SAFETY: the NUL-terminated path outlives the call, and the attributes are of this command.
    unsafe { raw::made(OBJ_GET, &attributes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_without_a_cgroup_is_detached() {
        let told = |id: &str| {
            format!("pos:\t0\nlink_type:\tcgroup\nlink_id:\t7\ncgroup_id:\t{id}\nattach_type:\t1\n")
        };
        assert_eq!(cgroup_id(&told("4711")), Some(4711));
        assert_eq!(cgroup_id(&told("0")), Some(0));
        assert_eq!(cgroup_id("pos:\t0\nmap_type:\t2\n"), None);
    }
}
