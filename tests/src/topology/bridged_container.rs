//! A container behind a bridge of the device, for which the device forwards.
//!
//! ```text
//! container          device                      cloud
//! eth0 ── ctr0 ─ br0        eth0 ─────── cloud0  every address of the lab
//! 10.88.0.2       10.88.0.1 10.53.0.2  10.53.0.1
//! ```

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context, Result, ensure};

use super::{addresses::DEVICE, netns::Netns, network::Network};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// The addresses of both ends of the link to the cloud, and of the bridge and the container.
pub const FAR_MAC: Mac = [2, 0, 0, 0, 0, 1];
/// The device's.
pub const HOST_MAC: Mac = [2, 0, 0, 0, 0, 2];
/// The bridge's.
pub const BRIDGE_MAC: Mac = [2, 0, 0, 0, 0x88, 1];
/// The container's.
pub const CONTAINER_MAC: Mac = [2, 0, 0, 0, 0x88, 2];
/// The bridge's address, the container's gateway.
pub const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// The container's addresses.
pub const CONTAINER: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(10, 88, 0, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, 2)),
];

/// Adds the container, what leads to it, and forwarding to the lab's two namespaces.
///
/// # Errors
/// When the kernel refuses, or the device's namespace is the machine's own.
pub fn connect(network: &Network, container: &Netns) -> Result<()> {
    let (host, far) = (network.device(), network.cloud());
    let machine = Netns::of_this_process()?;
    ensure!(host.inode() != machine.inode(), "the machine's own network");
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
         address add {BRIDGE}/24 dev br0\n\
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
         route add default via {BRIDGE}\n\
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

/// Returns an Ethernet address as ip(8) takes it.
#[must_use]
pub fn text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
