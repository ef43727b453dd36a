//! File descriptors in the event loop.

use std::os::fd::AsRawFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::KernelError;

/// Registers `inner` with the event loop, for the operation `what`.
pub(crate) fn readable<T: AsRawFd + 'static>(
    inner: T,
    what: &str,
) -> Result<AsyncFd<T>, KernelError> {
    // SAFETY: the value owns its descriptor, which stays open and the same until the value is dropped with the registration.
    let registered = unsafe { AsyncFd::register_with_interest(inner, Interest::READABLE) };
    registered.map_err(|error| KernelError::failed(what)(std::io::Error::from(error)))
}
