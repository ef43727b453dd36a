//! A separate mount namespace with bind mounts (mount_namespaces(7)).
//!
//! Everything here runs between fork and exec: it makes system calls on data prepared before, takes no locks and allocates nothing.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
};

use super::syscall::check;

/// Upper bound of the number of components of a path.
const MAX_DEPTH: libc::c_int = libc::PATH_MAX / 2;

/// A bind mount of a file or directory.
#[derive(Clone, Debug)]
pub(crate) struct Bind {
    pub(crate) source: CString,
    pub(crate) target: CString,
}

/// Moves the calling thread into a new mount namespace and mounts each source over its target there.
///
/// # Errors
/// When the kernel refuses, or a path does not exist.
pub(crate) fn enter(binds: &[Bind]) -> io::Result<()> {
    // SAFETY: unshare(2) takes one integer.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    stop_propagation()?;
    for bind in binds {
        mount(Some(&bind.source), &bind.target, libc::MS_BIND)?;
    }
    Ok(())
}

/// Makes every mount a slave: later mounts of the machine still propagate here, and mounts made here do not propagate back.
fn stop_propagation() -> io::Result<()> {
    let make_slaves = || mount(None, c"/", libc::MS_SLAVE | libc::MS_REC);
    match make_slaves() {
        // The root directory of a chroot may not be a mount point, and the mount that contains it has no path inside the chroot.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => outside_the_chroot(make_slaves),
        other => other,
    }
}

/// Runs `work` with the root of the mount namespace as root directory, then restores the root and working directories.
fn outside_the_chroot(work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let root = open_dir(c"/")?;
    let working_dir = open_dir(c".")?;
    // A working directory outside the root directory has parents up to the top (chroot(2)).
    chroot(c"/proc")?;
    fchdir(&root)?;
    for _ in 0..MAX_DEPTH {
        // SAFETY: the path is NUL-terminated.
        check(unsafe { libc::chdir(c"..".as_ptr()) })?;
    }
    chroot(c".")?;
    let done = work();
    fchdir(&root)?;
    chroot(c".")?;
    fchdir(&working_dir)?;
    done
}

fn open_dir(path: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path is NUL-terminated.
    let fd = unsafe { libc::open(path.as_ptr(), flags) };
    check(fd)?;
    // SAFETY: open(2) has just returned the descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn fchdir(dir: &OwnedFd) -> io::Result<()> {
    // SAFETY: fchdir(2) takes one integer.
    check(unsafe { libc::fchdir(dir.as_raw_fd()) })
}

fn chroot(path: &CStr) -> io::Result<()> {
    // SAFETY: the path is NUL-terminated.
    check(unsafe { libc::chroot(path.as_ptr()) })
}

fn mount(source: Option<&CStr>, target: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    let source = source.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: source and target are NUL-terminated or null; type and data are not used here.
    check(unsafe { libc::mount(source, target.as_ptr(), ptr::null(), flags, ptr::null()) })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, thread};

    use super::*;
    use crate::{ScratchDir, topology::syscall::c_path};

    /// Runs `work` in a thread with a separate mount namespace, whose mounts have shared propagation as under systemd.
    fn with_shared_mounts<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        in_thread(|| {
            // SAFETY: unshare(2) takes one integer.
            check(unsafe { libc::unshare(libc::CLONE_NEWNS) }).unwrap();
            for propagation in [libc::MS_PRIVATE, libc::MS_SHARED] {
                mount(None, c"/", propagation | libc::MS_REC).unwrap();
            }
            work()
        })
    }

    /// Mounts `/cover` over `/file` in a thread whose root directory is `root`, and returns the contents of `/file` and of `file` there.
    fn cover_in_chroot(root: &Path) -> [String; 2] {
        in_thread(|| {
            // SAFETY: unshare(2) takes one integer.
            check(unsafe { libc::unshare(libc::CLONE_FS) }).unwrap();
            chroot(&c_path(root).unwrap()).unwrap();
            std::env::set_current_dir("/").unwrap();
            let bind = Bind {
                source: c"/cover".to_owned(),
                target: c"/file".to_owned(),
            };
            enter(&[bind]).unwrap();
            ["/file", "file"].map(|path| fs::read_to_string(path).unwrap())
        })
    }

    fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    #[test]
    fn in_a_chroot_that_is_not_a_mount_point_a_bind_mount_is_visible_to_the_process_only() {
        let scratch = ScratchDir::new().unwrap();
        let root = scratch.dir("root").unwrap();
        scratch.dir("root/proc").unwrap();
        scratch.file("root/file", "the machine's").unwrap();
        scratch.file("root/cover", "the process's").unwrap();
        let (inside, outside) = with_shared_mounts(|| {
            let inside = cover_in_chroot(&root);
            (inside, fs::read_to_string(root.join("file")).unwrap())
        });
        assert_eq!(inside, ["the process's"; 2]);
        assert_eq!(outside, "the machine's");
    }
}
