//! The places that frames come from: the host, and a container behind its bridge.

use std::net::IpAddr;

use lab::topology::{
    addresses::DEVICE,
    bridged_container::{BRIDGE_MAC, CONTAINER, CONTAINER_MAC, FAR_MAC, HOST_MAC, Mac},
};

/// The devices of the host that have filters all the time.
pub(crate) const DEVICES: [&str; 3] = ["eth0", "br0", "ctr0"];

/// Where a frame comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Host,
    Container,
}

impl Place {
    pub(crate) const ALL: [Self; 2] = [Self::Host, Self::Container];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Container => "container",
        }
    }

    /// Its address of the family of `to`.
    pub(crate) fn address(self, to: IpAddr) -> IpAddr {
        let addresses = match self {
            Self::Host => DEVICE,
            Self::Container => CONTAINER,
        };
        addresses[usize::from(to.is_ipv6())]
    }

    /// Its next hop, and itself.
    pub(crate) const fn macs(self) -> [Mac; 2] {
        match self {
            Self::Host => [FAR_MAC, HOST_MAC],
            Self::Container => [BRIDGE_MAC, CONTAINER_MAC],
        }
    }
}
