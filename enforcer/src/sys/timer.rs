//! A kernel timer: one wake-up per period, while a long sleep of the event loop takes several.

use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::read;
use tokio::io::unix::AsyncFd;

use super::KernelError;
use super::readable::readable;

/// Reports the end of each period.
#[derive(Debug)]
pub struct Timer {
    timer: AsyncFd<OwnedFd>,
    what: &'static str,
}

impl Timer {
    /// Starts the first `period`, for the operation `what`.
    ///
    /// # Errors
    /// If the kernel provides no timer.
    pub fn every(period: Duration, what: &'static str) -> Result<Self, KernelError> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags);
        let timer = timer.map_err(KernelError::failed(what))?;
        let period = Expiration::Interval(TimeSpec::from_duration(period));
        timer
            .set(period, TimerSetTimeFlags::empty())
            .map_err(KernelError::failed(what))?;
        Ok(Self {
            timer: readable(OwnedFd::from(timer), what)?,
            what,
        })
    }

    /// Waits for the end of a period.
    ///
    /// # Errors
    /// If the timer fails.
    pub async fn elapsed(&self) -> Result<(), KernelError> {
        loop {
            let ready = self.timer.readable().await;
            let mut ready = ready.map_err(KernelError::failed(self.what))?;
            match read(ready.get_inner(), &mut [0; 8]) {
                Ok(_periods) => return Ok(()),
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(error) => return Err(KernelError::failed(self.what)(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test]
    async fn each_period_is_reported() {
        let period = Duration::from_millis(20);
        let timer = Timer::every(period, "wait").unwrap();
        let start = Instant::now();
        for _ in 0..3 {
            let elapsed = timeout(Duration::from_secs(20), timer.elapsed()).await;
            elapsed.expect("it is reported").unwrap();
        }
        assert!(start.elapsed() >= period);
    }
}
