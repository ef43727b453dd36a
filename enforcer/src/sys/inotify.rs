//! The news that something in a directory changed (inotify(7)).

use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;

use super::KernelError;
use super::readable::readable;

/// Tells what happens in some directories.
#[derive(Debug)]
pub(crate) struct DirectoryWatch {
    events: AsyncFd<Events>,
    what: &'static str,
}

/// An inotify instance, as the event loop takes it.
#[derive(Debug)]
struct Events(Inotify);

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl DirectoryWatch {
    /// Watches nothing yet, to do `what`.
    ///
    /// # Errors
    /// Where the system has no instance left (`fs.inotify.max_user_instances`).
    pub(crate) fn new(what: &'static str) -> Result<Self, KernelError> {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let inotify = Inotify::init(flags).map_err(KernelError::failed(what))?;
        Ok(Self {
            events: readable(Events(inotify), what)?,
            what,
        })
    }

    /// Tells from now on what `told` says of `directory`; `None` where there is none. A directory that is watched already keeps its descriptor.
    ///
    /// # Errors
    /// Where it may not be read, or the system has no watch left (`fs.inotify.max_user_watches`).
    pub(crate) fn add(
        &self,
        directory: &Path,
        told: AddWatchFlags,
    ) -> Result<Option<WatchDescriptor>, KernelError> {
        let flags = told | AddWatchFlags::IN_ONLYDIR;
        match self.events.get_ref().0.add_watch(directory, flags) {
            Ok(watch) => Ok(Some(watch)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(error) => Err(KernelError::failed(self.what)(error)),
        }
    }

    /// Tells nothing more of a directory.
    ///
    /// # Errors
    /// Where it is not watched any more.
    pub(crate) fn remove(&self, watch: WatchDescriptor) -> Result<(), KernelError> {
        let removed = self.events.get_ref().0.rm_watch(watch);
        removed.map_err(KernelError::failed(self.what))
    }

    /// Waits for events. Takes one buffer of them, however many there are.
    ///
    /// # Errors
    /// Where the kernel does not tell.
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

    /// One buffer of the events that are there already.
    pub(crate) fn waiting(&self) -> Vec<InotifyEvent> {
        self.events.get_ref().0.read_events().unwrap_or_default()
    }
}
