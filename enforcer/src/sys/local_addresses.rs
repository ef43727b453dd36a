//! The host's addresses, and notification of their changes.

use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;

use super::KernelError;
use super::netlink::{GroupWatch, Protocol};

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
pub struct AddressWatch(GroupWatch);

impl AddressWatch {
    /// Subscribes to the kernel's notifications.
    ///
    /// # Errors
    /// If there is no rtnetlink.
    pub fn new() -> Result<Self, KernelError> {
        GroupWatch::new(
            Protocol::Route,
            ADDRESS_GROUPS,
            "watch this host's addresses",
        )
        .map(Self)
    }

    /// Waits for the next change. The caller then lists all addresses.
    ///
    /// # Errors
    /// If the socket fails.
    pub async fn changed(&self) -> Result<(), KernelError> {
        self.0.changed().await
    }
}
