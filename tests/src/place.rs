//! Where a process of the lab runs: its network namespace, its cgroup, its view of `/etc`.

use std::{
    ffi::{CStr, CString, OsStr},
    io,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::Path,
    process::{self, Command},
    sync::Arc,
};

use anyhow::{Context, Result};

use crate::{
    cgroup::Cgroup,
    mount_namespace::{self, Bind},
};

/// The machine's own proxies are not in the lab.
const PROXY_VARIABLES: [&str; 6] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
];

/// Where a process runs. The default is where this process runs.
#[derive(Clone, Debug, Default)]
pub struct Place {
    netns: Option<Arc<OwnedFd>>,
    cgroup_procs: Option<CString>,
    binds: Vec<Bind>,
}

impl Place {
    /// This place with the network of `netns`, an open network namespace.
    #[must_use]
    pub(crate) fn with_netns(mut self, netns: Arc<OwnedFd>) -> Self {
        self.netns = Some(netns);
        self
    }

    /// This place inside `cgroup`.
    #[must_use]
    pub fn in_cgroup(mut self, cgroup: &Cgroup) -> Self {
        self.cgroup_procs = Some(cgroup.procs().to_owned());
        self
    }

    /// This place with `source` seen at `target`, a path that exists.
    ///
    /// # Errors
    /// When `target` does not exist or a path holds a NUL byte.
    pub fn with_bind(mut self, source: &Path, target: &Path) -> Result<Self> {
        let target = target.canonicalize().with_context(|| {
            format!("the lab replaces {}, which has to exist", target.display())
        })?;
        self.binds.push(Bind {
            source: c_path(source)?,
            target: c_path(&target)?,
        });
        Ok(self)
    }

    /// A command that will run in this place, and die with this process.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let place = self.clone();
        let parent = process::id();
        PROXY_VARIABLES
            .into_iter()
            .for_each(|name| _ = command.env_remove(name));
        command.process_group(0);
        // SAFETY: `enter` runs between fork and exec and only makes system calls on data prepared
        // before the fork; it takes no lock and allocates nothing.
        unsafe { command.pre_exec(move || place.enter(parent)) };
        command
    }

    fn enter(&self, parent: u32) -> io::Result<()> {
        die_with(parent)?;
        if let Some(procs) = &self.cgroup_procs {
            explained(join_cgroup(procs), b"lab: cannot enter the cgroup\n")?;
        }
        if !self.binds.is_empty() {
            explained(
                mount_namespace::enter(&self.binds),
                b"lab: cannot lay files over /etc\n",
            )?;
        }
        if let Some(netns) = &self.netns {
            explained(
                set_netns(netns.as_raw_fd()),
                b"lab: cannot enter the network namespace\n",
            )?;
        }
        Ok(())
    }
}

/// A path as the kernel takes it.
pub(crate) fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .with_context(|| format!("{} holds a NUL byte", path.display()))
}

/// Moves the calling thread into the network namespace behind `fd`.
pub(crate) fn set_netns(fd: RawFd) -> io::Result<()> {
    // SAFETY: setns(2) takes two integers and touches no memory of ours.
    check(unsafe { libc::setns(fd, libc::CLONE_NEWNET) })
}

/// The result of a system call that returns -1 on error.
pub(crate) fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Only an errno crosses from the child to the parent, so the child says on stderr what it meant.
fn explained(result: io::Result<()>, what: &'static [u8]) -> io::Result<()> {
    if result.is_err() {
        // SAFETY: the buffer is valid for its length; a failed write leaves the errno as the answer.
        unsafe { libc::write(libc::STDERR_FILENO, what.as_ptr().cast(), what.len()) };
    }
    result
}

/// Asks for SIGKILL at the parent's death, which may have come before the request.
fn die_with(parent: u32) -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes one integer.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
    // SAFETY: getppid(2) has no arguments and cannot fail.
    let current = unsafe { libc::getppid() };
    if u32::try_from(current) == Ok(parent) {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::ESRCH))
    }
}

/// Writing "0" moves the writer (cgroups(7)).
fn join_cgroup(procs: &CStr) -> io::Result<()> {
    // SAFETY: the path is NUL-terminated; the descriptor is closed by exec.
    let fd = unsafe { libc::open(procs.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    check(fd)?;
    // SAFETY: one byte is read from a static buffer of that length.
    let written = unsafe { libc::write(fd, c"0".as_ptr().cast(), 1) };
    if written == 1 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
