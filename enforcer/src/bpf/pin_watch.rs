//! The report that a pin went or was replaced.

use nix::sys::inotify::AddWatchFlags;

use super::Pins;
use crate::sys::{DirectoryWatch, KernelError};

/// Reports changes of the pins of this version.
#[derive(Debug)]
pub struct PinWatch {
    directory: DirectoryWatch,
}

impl PinWatch {
    /// Watches the directory of the pins, which has to be there.
    ///
    /// # Errors
    /// Where it cannot be watched (`fs.inotify.max_user_instances`, `fs.inotify.max_user_watches`).
    pub fn new(pins: &Pins) -> Result<Self, KernelError> {
        let watch = Self {
            directory: DirectoryWatch::new("watch the pins")?,
        };
        watch.follow(pins)?;
        Ok(watch)
    }

    /// Watches the directory that stands there now: it may be another of the same name.
    ///
    /// # Errors
    /// As [`PinWatch::new`].
    pub fn follow(&self, pins: &Pins) -> Result<(), KernelError> {
        let gone = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_DELETE_SELF;
        let moved = AddWatchFlags::IN_MOVED_FROM | AddWatchFlags::IN_MOVED_TO;
        // One that is missing is made again by the next check of the hooks.
        self.directory.add(pins.root(), gone | moved)?;
        Ok(())
    }

    /// Waits until a pin may be gone or replaced.
    ///
    /// # Errors
    /// Where the kernel does not report.
    pub async fn changed(&self) -> Result<(), KernelError> {
        self.directory.next().await.map(drop)
    }
}
