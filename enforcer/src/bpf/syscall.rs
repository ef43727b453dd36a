//! The system call bpf(2), for the few commands that the loader's library does not make as they are needed.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

/// Has the kernel carry out `command`, which writes its answer into `attributes`.
///
/// # Errors
/// The kernel's.
///
/// # Safety
/// As for [`made`].
pub(super) unsafe fn done<T>(command: libc::c_int, attributes: &mut T) -> io::Result<()> {
    let attributes: *mut T = attributes;
    // SAFETY: the attributes outlive the call, the size is their own, and the caller answers for the rest.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Has the kernel carry out `command`, which answers with a new descriptor.
///
/// # Errors
/// The kernel's.
///
/// # Safety
/// `attributes` is the part of `union bpf_attr` (linux/bpf.h) that the command takes, and what it points to is valid.
pub(super) unsafe fn made<T>(command: libc::c_int, attributes: &T) -> io::Result<OwnedFd> {
    let attributes: *const T = attributes;
    // SAFETY: the attributes outlive the call, the size is their own, and the caller answers for the rest.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel made the descriptor for this call alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
