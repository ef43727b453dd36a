//! A host in scope with an uplink to a far side, a bridge with a container, and a VXLAN device.
//!
//! ```text
//! container          host                                  far side
//! eth0 ── ctr0 ─ br0        eth0 ───────────────── cloud0  every address of the lab
//! 10.88.0.2       10.88.0.1 10.53.0.2          10.53.0.1
//!                 vx0, 10.244.0.1, UDP port 4789
//! ```

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context as _, Result};
use lab::topology::{netns::Netns, network::Network};

use crate::link_headers::Mac;

/// The devices of the host, and a pattern for those that techniques add.
pub(crate) const DEVICES: [&str; 4] = ["eth0", "br0", "ctr0", "vx0"];
pub(crate) const ADDED_DEVICES: &str = "t*";
/// The device by which other hosts send, whose denied frames only are reported.
pub(crate) const FORWARDED_FROM: &str = "tcard0";
/// The Ethernet addresses of the topology.
pub(crate) const FAR_MAC: Mac = [2, 0, 0, 0, 0, 1];
pub(crate) const HOST_MAC: Mac = [2, 0, 0, 0, 0, 2];
pub(crate) const BRIDGE_MAC: Mac = [2, 0, 0, 0, 0x88, 1];
pub(crate) const CONTAINER_MAC: Mac = [2, 0, 0, 0, 0x88, 2];
/// How many unused addresses beside the host's and the container's are known, and the last byte of the first one.
const NEIGHBOURS: u8 = 8;
const FIRST_NEIGHBOUR: u8 = 0x70;
pub(crate) const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
pub(crate) const CONTAINER: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(10, 88, 0, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, 2)),
];
/// The address on the VXLAN device, the device's network, and its UDP port.
pub(crate) const OVERLAY: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
pub(crate) const OVERLAY_NETWORK: u32 = 42;
pub(crate) const VXLAN_PORT: u16 = 4789;

/// Adds to the lab's two namespaces the container, the devices that lead to it, and forwarding.
pub(crate) fn connect(network: &Network, container: &Netns) -> Result<()> {
    let (host, far) = (network.device(), network.cloud());
    host.run(|| {
        for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            let file = format!("/proc/sys/net/{setting}");
            fs::write(&file, "1").with_context(|| format!("set {file}"))?;
        }
        Ok(())
    })?;
    let path = container.path();
    host.ip(&format!(
        "link set eth0 address {}\n\
         link add br0 address {} type bridge\n\
         link add ctr0 type veth peer name eth0 netns {}\n\
         link set ctr0 master br0\n\
         address add {BRIDGE}/24 dev br0\n\
         address add fd88::1/64 dev br0 nodad\n\
         link set br0 up\n\
         link set ctr0 up\n\
         link add vx0 type vxlan id {OVERLAY_NETWORK} dstport {VXLAN_PORT} local 10.53.0.2\n\
         address add {OVERLAY}/16 dev vx0\n\
         link set vx0 up\n",
        text(HOST_MAC),
        text(BRIDGE_MAC),
        path.display()
    ))?;
    host.ip(&neighbours("br0", container_neighbour))?;
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
    let mut lines = format!(
        "link set cloud0 address {}\n\
         route add 10.88.0.0/24 via 10.53.0.2\n\
         route add fd88::/64 via fd53::2\n\
         route add 10.244.0.0/16 via 10.53.0.2\n",
        text(FAR_MAC),
    );
    lines.push_str(&neighbours("cloud0", neighbour));
    far.ip(&lines)
}

/// Lines that make all neighbours of one place known at a device for good, as they answer no ARP request.
fn neighbours(device: &str, of: fn(u8) -> (Ipv4Addr, Mac)) -> String {
    let lines = (0..NEIGHBOURS).map(|number| {
        let (address, mac) = of(number);
        let mac = text(mac);
        format!("neighbour replace {address} lladdr {mac} dev {device}\n")
    });
    lines.collect()
}

/// An unused address beside the host's.
pub(crate) fn neighbour(number: u8) -> (Ipv4Addr, Mac) {
    let last = FIRST_NEIGHBOUR + number;
    (Ipv4Addr::new(10, 53, 0, last), [2, 0, 0, 0, 0, last])
}

/// An unused address beside the container's.
pub(crate) fn container_neighbour(number: u8) -> (Ipv4Addr, Mac) {
    let last = FIRST_NEIGHBOUR + number;
    (Ipv4Addr::new(10, 88, 0, last), [2, 0, 0, 0, 0x88, last])
}

/// An Ethernet address as ip(8) takes it.
pub(crate) fn text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
