//! Notifications of rtnetlink(7) groups.

use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::unix::AsyncFd;

use crate::sys::KernelError;
use crate::sys::readable::readable;

/// Reports that objects of rtnetlink groups changed.
#[derive(Debug)]
pub(in crate::sys) struct GroupWatch {
    socket: AsyncFd<OwnedFd>,
    what: &'static str,
}

impl GroupWatch {
    /// Subscribes to `groups`, a bit mask of `RTMGRP_*` (linux/rtnetlink.h), for the operation `what`.
    ///
    /// # Errors
    /// If there is no rtnetlink.
    pub(in crate::sys) fn new(groups: u32, what: &'static str) -> Result<Self, KernelError> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkRoute;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)
            .map_err(KernelError::failed(what))?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))
            .map_err(KernelError::failed(what))?;
        Ok(Self {
            socket: readable(socket, what)?,
            what,
        })
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
