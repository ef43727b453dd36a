//! Notification of changes in directories, by inotify(7).

use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;

use super::KernelError;
use super::readable::readable;

/// Reports events in a set of directories.
#[derive(Debug)]
pub(crate) struct DirectoryWatch {
    events: AsyncFd<Events>,
    what: &'static str,
}

/// An inotify instance for the event loop.
#[derive(Debug)]
struct Events(Inotify);

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl DirectoryWatch {
    /// Creates an instance without watches, for the operation `what`.
    ///
    /// # Errors
    /// If the system has no instance left (`fs.inotify.max_user_instances`).
    pub(crate) fn new(what: &'static str) -> Result<Self, KernelError> {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let inotify = Inotify::init(flags).map_err(KernelError::failed(what))?;
        Ok(Self {
            events: readable(Events(inotify), what)?,
            what,
        })
    }

    /// Watches `directory` for `mask`; `None` if it does not exist. A directory that is watched already keeps its descriptor.
    ///
    /// # Errors
    /// If it cannot be read, or the system has no watch left (`fs.inotify.max_user_watches`).
    pub(crate) fn add(
        &self,
        directory: &Path,
        mask: AddWatchFlags,
    ) -> Result<Option<WatchDescriptor>, KernelError> {
        let flags = mask | AddWatchFlags::IN_ONLYDIR;
        match self.events.get_ref().0.add_watch(directory, flags) {
            Ok(watch) => Ok(Some(watch)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(error) => Err(KernelError::failed(self.what)(error)),
        }
    }

    /// Stops watching a directory.
    ///
    /// # Errors
    /// If it is not watched.
    pub(crate) fn remove(&self, watch: WatchDescriptor) -> Result<(), KernelError> {
        let removed = self.events.get_ref().0.rm_watch(watch);
        removed.map_err(KernelError::failed(self.what))
    }

    /// Waits for events, and reads one buffer of them.
    ///
    /// # Errors
    /// If the kernel reports an error.
    pub(crate) async fn next(&self) -> Result<Vec<InotifyEvent>, KernelError> {
        loop {
            let ready = self.events.readable().await;
            let mut ready = ready.map_err(KernelError::failed(self.what))?;
            match ready.get_inner().0.read_events() {
                Ok(events) => return Ok(events),
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(error) => return Err(KernelError::failed(self.what)(error)),
            }
        }
    }

    /// Reads one buffer of pending events.
    pub(crate) fn waiting(&self) -> Vec<InotifyEvent> {
        self.events.get_ref().0.read_events().unwrap_or_default()
    }
}
