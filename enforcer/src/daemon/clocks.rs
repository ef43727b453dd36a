//! Clocks of this process, read together.

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
    /// Starts the clocks, at the start of the daemon.
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Returns the instant `since_start` after the start.
    pub(super) fn instant(self, since_start: Duration) -> tokio::time::Instant {
        (self.start + since_start).into()
    }

    /// Reads the clocks.
    pub(super) fn now(self) -> Now {
        Now {
            since_start: self.start.elapsed(),
            boot: boot_clock(),
            wall: Timestamp::now(),
        }
    }
}
