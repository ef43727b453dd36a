//! A host in scope with an uplink to a far side, a bridge with a container, and a VXLAN device.
//!
//! ```text
//! container          host                                  far side
//! eth0 ── ctr0 ─ br0        eth0 ───────────────── cloud0  every address of the lab
//! 10.88.0.2       10.88.0.1 10.53.0.2          10.53.0.1
//!                 vx0, 10.244.0.1, UDP port 4789
//! ```

use std::net::Ipv4Addr;

use anyhow::Result;
pub(crate) use lab::topology::bridged_container::{
    BRIDGE, BRIDGE_MAC, CONTAINER, CONTAINER_MAC, FAR_MAC, HOST_MAC, text,
};
use lab::topology::{
    bridged_container::{self, Mac},
    netns::Netns,
    network::Network,
};

/// The devices of the host, and a pattern for those that techniques add.
pub(crate) const DEVICES: [&str; 4] = ["eth0", "br0", "ctr0", "vx0"];
pub(crate) const ADDED_DEVICES: &str = "t*";
/// The device by which other hosts send, whose denied frames only are reported.
pub(crate) const FORWARDED_FROM: &str = "tcard0";
/// How many unused addresses beside the host's and the container's are known, and the last byte of the first one.
const NEIGHBOURS: u8 = 8;
const FIRST_NEIGHBOUR: u8 = 0x70;
/// The address on the VXLAN device, the device's network, and its UDP port.
pub(crate) const OVERLAY: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
pub(crate) const OVERLAY_NETWORK: u32 = 42;
pub(crate) const VXLAN_PORT: u16 = 4789;

/// Adds to the lab's two namespaces the container, the devices that lead to it, forwarding, and the VXLAN device.
pub(crate) fn connect(network: &Network, container: &Netns) -> Result<()> {
    bridged_container::connect(network, container)?;
    let host = network.device();
    host.ip(&format!(
        "link add vx0 type vxlan id {OVERLAY_NETWORK} dstport {VXLAN_PORT} local 10.53.0.2\n\
         address add {OVERLAY}/16 dev vx0\n\
         link set vx0 up\n",
    ))?;
    host.ip(&neighbours("br0", container_neighbour))?;
    let mut lines = "route add 10.244.0.0/16 via 10.53.0.2\n".to_owned();
    lines.push_str(&neighbours("cloud0", neighbour));
    network.cloud().ip(&lines)
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
