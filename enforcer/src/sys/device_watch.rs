//! Notification of changes of network devices and of their filters.

use super::KernelError;
use super::netlink::{GroupWatch, Protocol};

/// `RTMGRP_LINK` and `RTMGRP_TC` of linux/rtnetlink.h.
const DEVICE_GROUPS: u32 = 0x1 | 0x8;

/// Reports when a device of this process's network namespace is created, changed or removed, and when a filter or its queueing discipline is.
#[derive(Debug)]
pub struct DeviceWatch(GroupWatch);

impl DeviceWatch {
    /// Subscribes to the kernel's notifications.
    ///
    /// # Errors
    /// If there is no rtnetlink.
    pub fn new() -> Result<Self, KernelError> {
        GroupWatch::new(Protocol::Route, DEVICE_GROUPS, "watch the network devices").map(Self)
    }

    /// Waits for the next change. The caller then lists all devices, so lost notifications do not matter.
    ///
    /// # Errors
    /// If the socket fails.
    pub async fn changed(&self) -> Result<(), KernelError> {
        self.0.changed().await
    }
}
