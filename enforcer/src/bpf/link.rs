//! What a link is attached to, by its own word (proc_pid_fdinfo(5)).

use std::ffi::CString;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::{fs, io};

use super::syscall;

/// `BPF_OBJ_GET` of linux/bpf.h.
const OBJ_GET: libc::c_int = 7;
/// `BPF_LINK_DETACH` of linux/bpf.h.
const LINK_DETACH: libc::c_int = 34;

/// The part of `union bpf_attr` (linux/bpf.h) that `BPF_OBJ_GET` takes.
#[repr(C)]
struct ObjGet {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// Which link it is, the program that it runs, and the cgroup that it is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attachment {
    /// The kernel's number of the link.
    pub(super) link: u32,
    /// The kernel's number of the program.
    pub(super) program: u32,
    /// The cgroup's id; 0 once the link is detached.
    pub(super) cgroup: u64,
}

impl Attachment {
    /// Reads what `link` is attached to.
    ///
    /// # Errors
    /// Where the kernel does not say, or it is no link of a cgroup.
    pub(super) fn of(link: &OwnedFd) -> io::Result<Self> {
        let fdinfo = fs::read_to_string(format!("/proc/self/fdinfo/{}", link.as_raw_fd()))?;
        Self::parse(&fdinfo).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Reads what the link that is pinned at `place` is attached to.
    ///
    /// # Errors
    /// Where there is none, and as [`Attachment::of`].
    pub(super) fn pinned(place: &Path) -> io::Result<Self> {
        Self::of(&open(place)?)
    }

    fn parse(fdinfo: &str) -> Option<Self> {
        let value = |key: &str| {
            let mut lines = fdinfo.lines();
            let line = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            line?.trim().parse::<u64>().ok()
        };
        let number = |key| u32::try_from(value(key)?).ok();
        Some(Self {
            link: number("link_id")?,
            program: number("prog_id")?,
            cgroup: value("cgroup_id")?,
        })
    }
}

/// Whether the link that is pinned at `place` is attached to a cgroup that exists. One that was detached by force, or whose cgroup was
/// removed, stays pinned and judges nothing.
pub(super) fn is_attached(place: &Path) -> bool {
    Attachment::pinned(place).is_ok_and(|attachment| attachment.cgroup != 0)
}

/// Detaches the link that is pinned at `place`: when this returns, it judges no more. Without its last pin it would end as well, but only when
/// the kernel comes to that.
///
/// # Errors
/// Where there is none, or it is detached already.
pub(super) fn detach(place: &Path) -> io::Result<()> {
    let link = open(place)?;
    let mut attributes = link.as_raw_fd();
    // SAFETY: the one attribute of this command is an open descriptor.
    unsafe { syscall::done(LINK_DETACH, &mut attributes) }
}

/// Opens the link that is pinned at `place`.
///
/// # Errors
/// Where there is none.
pub(super) fn open(place: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(place.as_os_str().as_bytes())?;
    let attributes = ObjGet {
        pathname: path.as_ptr().addr() as u64,
        bpf_fd: 0,
        file_flags: 0,
    };
    // SAFETY: the NUL-terminated path outlives the call, and the attributes are of this command.
    unsafe { syscall::made(OBJ_GET, &attributes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_without_a_cgroup_is_detached() {
        let fdinfo = |cgroup: &str| {
            format!(
                "pos:\t0\nlink_type:\tcgroup\nlink_id:\t7\nprog_tag:\t0123456789abcdef\nprog_id:\t12\n\
                 cgroup_id:\t{cgroup}\nattach_type:\t1\n"
            )
        };
        let attached = |cgroup| Attachment {
            link: 7,
            program: 12,
            cgroup,
        };
        assert_eq!(Attachment::parse(&fdinfo("4711")), Some(attached(4711)));
        assert_eq!(Attachment::parse(&fdinfo("0")), Some(attached(0)));
        assert_eq!(Attachment::parse("pos:\t0\nmap_type:\t2\n"), None);
    }
}
