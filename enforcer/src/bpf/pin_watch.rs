//! Notification of pins that are removed or replaced.

use nix::sys::inotify::AddWatchFlags;

use super::Pins;
use crate::sys::{DirectoryWatch, KernelError};

/// Reports changes of the pins of this version.
#[derive(Debug)]
pub struct PinWatch {
    directory: DirectoryWatch,
}

impl PinWatch {
    /// Watches the directory of the pins, which must exist.
    ///
    /// # Errors
    /// If it cannot be watched (`fs.inotify.max_user_instances`, `fs.inotify.max_user_watches`).
    pub fn new(pins: &Pins) -> Result<Self, KernelError> {
        let watch = Self {
            directory: DirectoryWatch::new("watch the pins")?,
        };
        watch.follow(pins)?;
        Ok(watch)
    }

    /// Watches the directory that is there now: it may be a new one of the same name.
    ///
    /// # Errors
    /// As [`PinWatch::new`].
    pub fn follow(&self, pins: &Pins) -> Result<(), KernelError> {
        let gone = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_DELETE_SELF;
        let moved = AddWatchFlags::IN_MOVED_FROM | AddWatchFlags::IN_MOVED_TO;
        // A missing one is created again by the next check of the hooks.
        self.directory.add(pins.root(), gone | moved)?;
        Ok(())
    }

    /// Waits until a pin may have been removed or replaced.
    ///
    /// # Errors
    /// If the kernel reports an error.
    pub async fn changed(&self) -> Result<(), KernelError> {
        self.directory.next().await.map(drop)
    }
}
