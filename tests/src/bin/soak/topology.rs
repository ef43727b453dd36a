//! A container behind a bridge of the host, for which the host forwards.
//!
//! ```text
//! container          host                        far side
//! eth0 ── ctr0 ─ br0        eth0 ─────── cloud0  every address of the lab
//! 10.88.0.2       10.88.0.1 10.53.0.2  10.53.0.1
//! ```

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::MetadataExt as _,
};

use anyhow::{Context as _, Result, ensure};
use lab::topology::{addresses::DEVICE, netns::Netns, network::Network};

type Mac = [u8; 6];

/// The devices of the host that have filters all the time.
pub(crate) const DEVICES: [&str; 3] = ["eth0", "br0", "ctr0"];
const FAR_MAC: Mac = [2, 0, 0, 0, 0, 1];
const HOST_MAC: Mac = [2, 0, 0, 0, 0, 2];
const BRIDGE_MAC: Mac = [2, 0, 0, 0, 0x88, 1];
const CONTAINER_MAC: Mac = [2, 0, 0, 0, 0x88, 2];
const CONTAINER: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(10, 88, 0, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, 2)),
];

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

/// Adds the container and what leads to it to the lab's two namespaces, and lets the host forward.
pub(crate) fn connect(network: &Network, container: &Netns) -> Result<()> {
    let (host, far) = (network.device(), network.cloud());
    let machine = fs::metadata("/proc/self/ns/net")?.ino();
    ensure!(host.inode() != machine, "the machine's own network");
    host.run(|| {
        for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            let file = format!("/proc/sys/net/{setting}");
            fs::write(&file, "1").with_context(|| format!("set {file}"))?;
        }
        Ok(())
    })?;
    host.ip(&format!(
        "link set eth0 address {}\n\
         link add br0 address {} type bridge\n\
         link add ctr0 type veth peer name eth0 netns {}\n\
         link set ctr0 master br0\n\
         address add 10.88.0.1/24 dev br0\n\
         address add fd88::1/64 dev br0 nodad\n\
         link set br0 up\n\
         link set ctr0 up\n",
        text(HOST_MAC),
        text(BRIDGE_MAC),
        container.path().display()
    ))?;
    container.ip(&format!(
        "link set lo up\n\
         link set eth0 address {}\n\
         address add {}/24 dev eth0\n\
         address add {}/64 dev eth0 nodad\n\
         link set eth0 up\n\
         route add default via 10.88.0.1\n\
         route add default via fd88::1\n",
        text(CONTAINER_MAC),
        CONTAINER[0],
        CONTAINER[1]
    ))?;
    far.ip(&format!(
        "link set cloud0 address {}\n\
         route add 10.88.0.0/24 via {}\n\
         route add fd88::/64 via {}\n",
        text(FAR_MAC),
        DEVICE[0],
        DEVICE[1]
    ))
}

fn text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
