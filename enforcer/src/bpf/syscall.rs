//! The system call bpf(2), for the few commands that aya does not offer as needed.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

/// Runs `command`, which writes its result to `attributes`.
///
/// # Errors
/// The kernel's error.
///
/// # Safety
/// As for [`made`].
pub(super) unsafe fn done<T>(command: libc::c_int, attributes: &mut T) -> io::Result<()> {
    let attributes: *mut T = attributes;
    // SAFETY: the attributes outlive the call, the size is their own, and the caller guarantees the rest.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Runs `command`, which returns a new descriptor.
///
/// # Errors
/// The kernel's error.
///
/// # Safety
/// `attributes` is the part of `union bpf_attr` (linux/bpf.h) for the command, and its pointers are valid.
pub(super) unsafe fn made<T>(command: libc::c_int, attributes: &T) -> io::Result<OwnedFd> {
    let attributes: *const T = attributes;
    // SAFETY: the attributes outlive the call, the size is their own, and the caller guarantees the rest.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel created the descriptor for this call.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
