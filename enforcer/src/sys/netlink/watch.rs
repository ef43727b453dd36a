//! Notifications of netlink(7) groups.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, NetlinkAddr, bind, recv};
use tokio::io::unix::AsyncFd;

use super::Protocol;
use crate::sys::KernelError;
use crate::sys::readable::readable;

/// Reports that objects of netlink groups changed.
#[derive(Debug)]
pub(in crate::sys) struct GroupWatch {
    socket: AsyncFd<OwnedFd>,
    what: &'static str,
}

impl GroupWatch {
    /// Subscribes to `groups`, a bit mask of the groups of `protocol`, for the operation `what`.
    ///
    /// # Errors
    /// If there is no such family.
    pub(in crate::sys) fn new(
        protocol: Protocol,
        groups: u32,
        what: &'static str,
    ) -> Result<Self, KernelError> {
        let socket = Self::subscribe(protocol, groups).map_err(KernelError::failed(what))?;
        Ok(Self {
            socket: readable(socket, what)?,
            what,
        })
    }

    fn subscribe(protocol: Protocol, groups: u32) -> io::Result<OwnedFd> {
        let socket = protocol.open(libc::SOCK_NONBLOCK)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(socket)
    }

    /// Waits for the next change, and skips all notifications received so far. The caller then lists all objects.
    ///
    /// # Errors
    /// If the socket fails.
    pub(in crate::sys) async fn changed(&self) -> Result<(), KernelError> {
        let mut ready = self
            .socket
            .readable()
            .await
            .map_err(KernelError::failed(self.what))?;
        let mut message = [0; 4096];
        loop {
            let received = recv(
                self.socket.as_raw_fd(),
                &mut message,
                MsgFlags::MSG_DONTWAIT,
            );
            match received {
                // ENOBUFS: notifications were lost, which does not matter, as the caller lists all objects.
                Ok(1..) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Ok(0) | Err(Errno::EAGAIN) => break,
                Err(error) => return Err(KernelError::failed(self.what)(error)),
            }
        }
        ready.clear_ready();
        Ok(())
    }
}
