//! Anonymous network namespaces: the kernel frees them with their last user, so that even a killed
//! test leaves none behind.
//!
//! `ip netns exec` is not used: it mounts a fresh `/sys`, which hides the cgroup and bpf file
//! systems. To enter one from a shell: `nsenter --net=<Netns::path()> COMMAND`.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    panic,
    path::PathBuf,
    process,
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    fixtures::{
        process::{run_with_input, spawner},
        process_env::{ProcessEnv, set_netns},
    },
    topology::syscall::check,
};

/// Time for ip(8) to configure a network namespace, generous for emulated processors that share their cores.
const LIMIT: Duration = Duration::from_secs(60);

/// A network namespace; it exists as long as this value or a process in it.
#[derive(Clone, Debug)]
pub struct Netns {
    fd: Arc<OwnedFd>,
    inode: u64,
}

impl Netns {
    /// Creates an empty network namespace with its loopback interface down.
    ///
    /// # Errors
    /// When the kernel refuses, for example without `CAP_SYS_ADMIN`.
    pub fn new() -> Result<Self> {
        spawner().context("start the spawning thread")?;
        let file = in_thread(|| {
            // SAFETY: unshare(2) takes one integer; it changes this thread only, which then ends.
            check(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
            File::open("/proc/thread-self/ns/net")
        })
        .context("create a network namespace (the lab needs root)")?;
        let inode = file.metadata().context("stat a network namespace")?.ino();
        Ok(Self {
            fd: Arc::new(file.into()),
            inode,
        })
    }

    /// Returns that of this process.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn of_this_process() -> Result<Self> {
        Self::of_process(process::id())
    }

    /// Returns that of a process.
    ///
    /// # Errors
    /// As [`Netns::of_this_process`].
    pub fn of_process(pid: u32) -> Result<Self> {
        let file = File::open(format!("/proc/{pid}/ns/net")).context("open a network namespace")?;
        let inode = file.metadata().context("stat a network namespace")?.ino();
        Ok(Self {
            fd: Arc::new(file.into()),
            inode,
        })
    }

    /// Returns a path at which other processes can open the namespace while this value exists.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!(
            "/proc/{}/fd/{}",
            process::id(),
            self.fd.as_raw_fd()
        ))
    }

    /// The namespace's inode, as in `net:[4026532008]`.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Returns the environment of processes in this namespace.
    #[must_use]
    pub fn env(&self) -> ProcessEnv {
        self.instead_in(ProcessEnv::default())
    }

    /// Returns `env` with this network namespace in place of its own.
    #[must_use]
    pub fn instead_in(&self, env: ProcessEnv) -> ProcessEnv {
        env.with_netns(Arc::clone(&self.fd))
    }

    /// Runs a closure in a thread inside the namespace. Sockets opened there stay there.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or when the closure fails.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        in_thread(|| {
            set_netns(self.fd.as_raw_fd()).context("enter a network namespace")?;
            work()
        })
    }

    /// Configures the namespace with lines for `ip -batch` (ip(8)).
    ///
    /// # Errors
    /// When a line fails; later lines are not executed.
    pub fn ip(&self, lines: &str) -> Result<()> {
        let mut command = self.env().command("ip");
        command.args(["-batch", "-"]);
        run_with_input(command, lines, LIMIT)?
            .success()
            .with_context(|| format!("configure a network namespace with ip:\n{lines}"))?;
        Ok(())
    }
}

fn in_thread<T: Send, E: Send + From<io::Error>>(
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    thread::scope(|scope| {
        let handle = thread::Builder::new()
            .name("lab-netns".to_owned())
            .spawn_scoped(scope, work)?;
        handle
            .join()
            .unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}
