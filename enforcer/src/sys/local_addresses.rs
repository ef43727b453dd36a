//! The host's addresses, and notification of their changes.

use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::unix::AsyncFd;

use super::KernelError;
use super::readable::readable;

/// `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR` of linux/rtnetlink.h.
const ADDRESS_GROUPS: u32 = 0x10 | 0x100;

/// The addresses of the interfaces of this network namespace, sorted.
///
/// # Errors
/// If the kernel does not list them.
pub fn local_addresses() -> Result<Vec<IpAddr>, KernelError> {
    let interfaces = getifaddrs().map_err(KernelError::failed("list this host's addresses"))?;
    let mut addresses: Vec<IpAddr> = interfaces
        .filter_map(|interface| {
            let storage = interface.address?;
            let v4 = storage.as_sockaddr_in().map(|found| IpAddr::V4(found.ip()));
            v4.or_else(|| {
                storage
                    .as_sockaddr_in6()
                    .map(|found| IpAddr::V6(found.ip()))
            })
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// Reports when an address is added or removed.
#[derive(Debug)]
pub struct AddressWatch {
    socket: AsyncFd<OwnedFd>,
}

impl AddressWatch {
    /// Subscribes to the kernel's notifications.
    ///
    /// # Errors
    /// If there is no rtnetlink.
    pub fn new() -> Result<Self, KernelError> {
        let what = "watch this host's addresses";
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkRoute;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)
            .map_err(KernelError::failed(what))?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, ADDRESS_GROUPS))
            .map_err(KernelError::failed(what))?;
        Ok(Self {
            socket: readable(socket, what)?,
        })
    }

    /// Waits for the next change. The caller then lists all addresses.
    ///
    /// # Errors
    /// If the socket fails.
    pub async fn changed(&self) -> Result<(), KernelError> {
        let what = "watch this host's addresses";
        let mut ready = self
            .socket
            .readable()
            .await
            .map_err(KernelError::failed(what))?;
        let mut message = [0; 4096];
        loop {
            let received = recv(
                self.socket.as_raw_fd(),
                &mut message,
                MsgFlags::MSG_DONTWAIT,
            );
            match received {
                // Lost messages do not matter: the caller lists all addresses.
                Ok(1..) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Ok(0) | Err(Errno::EAGAIN) => break,
                Err(error) => return Err(KernelError::failed(what)(error)),
            }
        }
        ready.clear_ready();
        Ok(())
    }
}
