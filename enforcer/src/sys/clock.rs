//! The boot clock, and notification of changes to the wall clock.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::read;
use tokio::io::unix::AsyncFd;

use super::KernelError;
use super::readable::readable;

const WHAT: &str = "watch the wall clock";
/// A time, in seconds since 1970, that no clock reaches.
const NEVER: i64 = 1 << 40;

/// Reports when the wall clock is set, as opposed to slewed.
#[derive(Debug)]
pub struct ClockWatch {
    timer: AsyncFd<OwnedFd>,
}

impl ClockWatch {
    /// Sets a timer that only a change of the clock ends (`TFD_TIMER_CANCEL_ON_SET` of timerfd_create(2)).
    ///
    /// # Errors
    /// If the kernel provides no timer.
    pub fn new() -> Result<Self, KernelError> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer =
            TimerFd::new(ClockId::CLOCK_REALTIME, flags).map_err(KernelError::failed(WHAT))?;
        let never = Expiration::OneShot(TimeSpec::new(NEVER, 0));
        let until_set =
            TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        timer
            .set(never, until_set)
            .map_err(KernelError::failed(WHAT))?;
        Ok(Self {
            timer: readable(OwnedFd::from(timer), WHAT)?,
        })
    }

    /// Waits until the clock is set.
    ///
    /// # Errors
    /// If the timer fails.
    pub async fn set(&self) -> Result<(), KernelError> {
        loop {
            let mut ready = self
                .timer
                .readable()
                .await
                .map_err(KernelError::failed(WHAT))?;
            match read(ready.get_inner(), &mut [0; 8]) {
                Err(Errno::ECANCELED) => return Ok(()),
                Ok(_) | Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(error) => return Err(KernelError::failed(WHAT)(error)),
            }
        }
    }
}

/// Nanoseconds since boot, the unit of deadlines.
pub fn boot_clock() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).ok();
    // If the clock cannot be read, every deadline counts as past.
    now.map_or(u64::MAX, |now| {
        let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
        seconds * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap_or(0)
    })
}
