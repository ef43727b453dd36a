//! Inspects BPF links (proc_pid_fdinfo(5)) and detaches them.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::{fs, io};

use super::syscall;

/// `BPF_OBJ_PIN` and `BPF_OBJ_GET` of linux/bpf.h.
const OBJ_PIN: libc::c_int = 6;
const OBJ_GET: libc::c_int = 7;
/// `BPF_LINK_CREATE` of linux/bpf.h.
const LINK_CREATE: libc::c_int = 28;
/// `BPF_LINK_DETACH` of linux/bpf.h.
const LINK_DETACH: libc::c_int = 34;

/// The part of `union bpf_attr` (linux/bpf.h) that `BPF_OBJ_PIN` and `BPF_OBJ_GET` take.
#[repr(C)]
struct Object {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// The part that `BPF_LINK_CREATE` takes for a cgroup.
#[repr(C)]
struct LinkCreate {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
}

/// Where a program is attached whose links the loader's library keeps to itself: `enum bpf_attach_type` (linux/bpf.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum AttachType {
    /// `BPF_CGROUP_SETSOCKOPT`.
    Setsockopt = 22,
    /// `BPF_LSM_CGROUP`.
    Lsm = 43,
}

/// A link with its program and cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attachment {
    /// Id of the link.
    pub(super) link: u32,
    /// Id of the program.
    pub(super) program: u32,
    /// Id of the cgroup; 0 if the link is detached.
    pub(super) cgroup: u64,
}

impl Attachment {
    /// Reads what `link` is attached to.
    ///
    /// # Errors
    /// If the kernel does not report it, or it is not a cgroup link.
    pub(super) fn of(link: &OwnedFd) -> io::Result<Self> {
        let fdinfo = fs::read_to_string(format!("/proc/self/fdinfo/{}", link.as_raw_fd()))?;
        Self::parse(&fdinfo).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Reads what the link pinned at `place` is attached to.
    ///
    /// # Errors
    /// If there is none, and as [`Attachment::of`].
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

/// Whether the link pinned at `place` is attached to an existing cgroup. A link that was detached, or whose cgroup was removed, stays pinned without
/// effect.
pub(super) fn is_attached(place: &Path) -> bool {
    Attachment::pinned(place).is_ok_and(|attachment| attachment.cgroup != 0)
}

/// Detaches the link pinned at `place` before it returns. Removing its last pin would detach it as well, but asynchronously.
///
/// # Errors
/// If there is none, or it is detached already.
pub(super) fn detach(place: &Path) -> io::Result<()> {
    let link = open(place)?;
    let mut attributes = link.as_raw_fd();
    // SAFETY: the one attribute of this command is an open descriptor.
    unsafe { syscall::done(LINK_DETACH, &mut attributes) }
}

/// Attaches a program to a cgroup, beside others.
///
/// # Errors
/// If the kernel refuses.
pub(super) fn create(
    program: impl AsFd,
    cgroup: impl AsFd,
    kind: AttachType,
) -> io::Result<OwnedFd> {
    let number = |descriptor: &dyn AsFd| descriptor.as_fd().as_raw_fd().cast_unsigned();
    let attributes = LinkCreate {
        prog_fd: number(&program),
        target_fd: number(&cgroup),
        attach_type: kind as u32,
        flags: 0,
    };
    // SAFETY: the attributes are of this command and contain no pointer.
    unsafe { syscall::made(LINK_CREATE, &attributes) }
}

/// Pins a link at `place`.
///
/// # Errors
/// If the kernel refuses.
pub(super) fn pin(link: &OwnedFd, place: &Path) -> io::Result<()> {
    let path = CString::new(place.as_os_str().as_bytes())?;
    let mut attributes = Object {
        pathname: path.as_ptr().addr() as u64,
        bpf_fd: link.as_raw_fd().cast_unsigned(),
        file_flags: 0,
    };
    // SAFETY: the NUL-terminated path outlives the call, and the attributes are of this command.
    unsafe { syscall::done(OBJ_PIN, &mut attributes) }
}

/// Opens the link pinned at `place`.
///
/// # Errors
/// If there is none.
pub(super) fn open(place: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(place.as_os_str().as_bytes())?;
    let attributes = Object {
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
