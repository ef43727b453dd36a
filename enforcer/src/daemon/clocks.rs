//! The clocks of this process, read together.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::now::Now;
use crate::sys::boot_clock;

/// The clocks since the start of the daemon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    start: Instant,
}

impl Clocks {
    /// The daemon starts now.
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The moment so long after the start.
    pub(super) fn instant(self, since_start: Duration) -> tokio::time::Instant {
        (self.start + since_start).into()
    }

    /// What the clocks show.
    pub(super) fn now(self) -> Now {
        Now {
            since_start: self.start.elapsed(),
            boot: boot_clock(),
            wall: Timestamp::now(),
        }
    }
}
