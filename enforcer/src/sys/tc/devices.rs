//! Network devices.

use aya::util::KernelVersion;

use super::list_of;
use crate::sys::KernelError;
use crate::sys::driver::bus_address;
use crate::sys::netlink::{Attributes, collect, field};

/// `RTM_NEWLINK` (linux/rtnetlink.h).
const NEWLINK: u16 = 16;
/// `struct ifinfomsg` (linux/rtnetlink.h).
const HEADER: usize = 16;
/// Attributes of linux/if_link.h.
const IFNAME: u16 = 3;
const LINK: u16 = 5;
const MASTER: u16 = 10;
const LINKINFO: u16 = 18;
const EXT_MASK: u8 = 29;
const LINK_NETNSID: u16 = 37;
/// `IFLA_PARENT_DEV_NAME`. Linux 5.14.
const PARENT: u16 = 56;
/// `IFLA_INFO_KIND`.
const INFO_KIND: u16 = 1;
/// `RTEXT_FILTER_SKIP_STATS`.
const SKIP_STATS: u8 = 8;

/// A network device of this process's network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The interface index.
    pub index: u32,
    /// The name.
    pub name: String,
    /// The type of its link-layer header: `ARPHRD_*` of linux/if_arp.h.
    pub link_type: u16,
    /// The kind of a virtual device ("veth", "bridge", "vxlan").
    pub kind: Option<String>,
    /// Whether it is a network card: a device on a bus, real or virtual. Before Linux 5.14, some drivers do not say so.
    pub is_card: bool,
    /// The index of the bridge or bond that it belongs to.
    pub master: Option<u32>,
    /// The index of the device below it, in the same network namespace.
    pub lower: Option<u32>,
    /// The id of the network namespace of its peer or lower device, if that is another one.
    pub link_namespace: Option<u32>,
    /// Whether it is the loopback device.
    pub is_loopback: bool,
}

/// Lists the devices of this process's network namespace, by index.
///
/// # Errors
/// If the kernel does not list them.
pub fn devices() -> Result<Vec<Device>, KernelError> {
    let mut request = vec![0; HEADER];
    // Without the statistics of each device.
    request.extend([8, 0, EXT_MASK, 0, SKIP_STATS, 0, 0, 0]);
    let mut devices = collect(&list_of(NEWLINK, &request), Device::read)
        .map_err(KernelError::failed("list the network devices"))?;
    devices.sort_unstable_by_key(|device| device.index);
    if !names_parents() {
        for device in &mut devices {
            device.is_card = device.kind.is_none() && bus_address(&device.name).is_some();
        }
    }
    Ok(devices)
}

/// Whether the kernel names the parents of devices by itself. It knows better than drivers, of which some of virtual devices have an address, too.
fn names_parents() -> bool {
    KernelVersion::current().map_or(true, |version| version >= KernelVersion::new(5, 14, 0))
}

impl Device {
    /// Whether it belongs to a bond or team among `devices`.
    pub fn is_bonded(&self, devices: &[Self]) -> bool {
        let master = devices
            .iter()
            .find(|device| self.master == Some(device.index));
        let kind = master.and_then(|master| master.kind.as_deref());
        matches!(kind, Some("bond" | "team"))
    }

    /// Reads a `struct ifinfomsg` and its attributes.
    fn read(message: &[u8]) -> Option<Self> {
        let flags = u32::from_ne_bytes(field(message, 8)?);
        let attributes = Attributes::after(message, HEADER);
        let link_namespace = attributes.number(LINK_NETNSID);
        let kind = attributes.nested(LINKINFO).text(INFO_KIND);
        Some(Self {
            index: u32::from_ne_bytes(field(message, 4)?),
            link_type: u16::from_ne_bytes(field(message, 2)?),
            name: attributes.text(IFNAME)?,
            is_card: kind.is_none() && attributes.text(PARENT).is_some(),
            kind,
            master: attributes.number(MASTER),
            lower: attributes.number(LINK).filter(|_| link_namespace.is_none()),
            link_namespace,
            is_loopback: flags & libc::IFF_LOOPBACK as u32 != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_is_listed() {
        let devices = devices().unwrap();
        let loopback = devices.iter().find(|device| device.is_loopback).unwrap();
        assert_eq!((loopback.index, loopback.name.as_str()), (1, "lo"));
        assert_eq!(loopback.link_type, libc::ARPHRD_LOOPBACK);
        assert_eq!((loopback.kind.as_deref(), loopback.is_card), (None, false));
        assert!(devices.is_sorted_by_key(|device| device.index));
    }

    #[test]
    fn a_device_of_a_bond_is_told_from_one_of_a_bridge() {
        let device = |index, kind: &str, master| Device {
            index,
            name: format!("device{index}"),
            link_type: libc::ARPHRD_ETHER,
            kind: Some(kind.to_owned()),
            is_card: false,
            master,
            lower: None,
            link_namespace: None,
            is_loopback: false,
        };
        let devices = [
            device(2, "bond", None),
            device(3, "bridge", None),
            device(4, "veth", Some(2)),
            device(5, "veth", Some(3)),
            device(6, "veth", Some(99)),
        ];
        let bonded = devices.iter().filter(|device| device.is_bonded(&devices));
        assert_eq!(Vec::from_iter(bonded.map(|device| device.index)), [4]);
    }

    #[test]
    fn a_truncated_message_is_skipped() {
        assert_eq!(Device::read(&[0; HEADER]), None);
        assert_eq!(Device::read(&[0; 5]), None);
    }
}
