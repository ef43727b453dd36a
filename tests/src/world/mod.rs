//! Two network namespaces joined by a veth pair: the cloud, and the device that uses it.

pub mod service_tags;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{Scratch, cgroup::Cgroup, netns::Netns, place::Place};

/// The recursive resolver, port 53 (UDP and TCP).
pub const RESOLVER_V4: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 53);
/// The recursive resolver over IPv6.
pub const RESOLVER_V6: Ipv6Addr = Ipv6Addr::new(0xfd53, 0, 0, 0, 0, 0, 0, 0x53);
/// The device's addresses on the link to the cloud.
pub const DEVICE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(10, 53, 0, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfd53, 0, 0, 0, 0, 0, 0, 2)),
];

/// Login servers of the region eastus.
pub const LOGIN_EASTUS: [&str; 2] = ["198.51.100.0/26", "2001:db8:acc::/64"];
/// Login servers of the region westus.
pub const LOGIN_WESTUS: [&str; 2] = ["198.51.100.64/26", "2001:db8:acc:1::/64"];
/// Data endpoints of the region eastus.
pub const DATA_EASTUS: [&str; 2] = ["198.51.100.128/26", "2001:db8:acc:80::/64"];
/// Data endpoints of the region westus.
pub const DATA_WESTUS: [&str; 2] = ["198.51.100.192/26", "2001:db8:acc:81::/64"];
/// All container registries: the four lists above.
pub const REGISTRIES: [&str; 2] = ["198.51.100.0/24", "2001:db8:acc::/48"];
/// All registries in the regions of [`REPLICAS`], besides [`REGISTRIES`].
pub const REPLICA_REGISTRIES: [&str; 1] = ["198.18.0.0/21"];
/// Regions in which a fresh lab has no replica: each has data endpoints only, for [`crate::replicas`] to place one there.
pub const REPLICAS: [Region; 8] = [
    Region::new(
        "westeurope",
        "WestEurope",
        ["198.18.0.0/24", "2001:db8:acc:90::/64"],
    ),
    Region::new(
        "northeurope",
        "NorthEurope",
        ["198.18.1.0/24", "2001:db8:acc:91::/64"],
    ),
    Region::new(
        "japaneast",
        "JapanEast",
        ["198.18.2.0/24", "2001:db8:acc:92::/64"],
    ),
    Region::new(
        "southindia",
        "SouthIndia",
        ["198.18.3.0/24", "2001:db8:acc:93::/64"],
    ),
    Region::new(
        "westus2",
        "WestUS2",
        ["198.18.4.0/24", "2001:db8:acc:94::/64"],
    ),
    Region::new(
        "eastus2",
        "EastUS2",
        ["198.18.5.0/24", "2001:db8:acc:95::/64"],
    ),
    Region::new(
        "westus3",
        "WestUS3",
        ["198.18.6.0/24", "2001:db8:acc:96::/64"],
    ),
    Region::new(
        "swedencentral",
        "SwedenCentral",
        ["198.18.7.0/24", "2001:db8:acc:97::/64"],
    ),
];
/// Storage accounts, the bad actor's among them.
pub const STORAGE: [&str; 2] = ["203.0.113.0/24", "2001:db8:b10b::/48"];
/// A web server that has nothing to do with registries or storage.
pub const INTERNET: [&str; 2] = ["192.0.2.80/32", "2001:db8:80::80/128"];

/// A region as Azure names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// In host names.
    pub name: &'static str,
    /// In service tags.
    pub tag: &'static str,
    /// Its data endpoints, IPv4 and IPv6.
    pub data: [&'static str; 2],
}

impl Region {
    const fn new(name: &'static str, tag: &'static str, data: [&'static str; 2]) -> Self {
        Self { name, tag, data }
    }
}

/// The two namespaces. Every address of the lists above answers in the cloud.
#[derive(Debug)]
pub struct World {
    cloud: Netns,
    device: Netns,
    cloud_place: Place,
    cloud_cgroup: Cgroup,
    device_place: Place,
    service_tags: PathBuf,
}

impl World {
    /// Makes the namespaces, their link, and the device's view of `/etc` in `scratch`. Servers get
    /// the child `cloud` of `cgroup`, where the next lab finds them if they outlive this one.
    ///
    /// # Errors
    /// When the kernel refuses, or `ip` is missing.
    pub fn new(scratch: &Scratch, cgroup: &Cgroup) -> Result<Self> {
        let device = Netns::new()?;
        let cloud = cloud(&device.path())?;
        device.ip(&device_lines())?;
        Ok(Self {
            cloud_place: with_resolver(cloud.place(), scratch, "cloud")?,
            cloud_cgroup: cgroup.child("cloud")?,
            device_place: with_resolver(device.place(), scratch, "device")?,
            service_tags: scratch.file("ServiceTags_Lab.json", service_tags::file(1)?)?,
            cloud,
            device,
        })
    }

    /// The namespace that servers live in.
    #[must_use]
    pub fn cloud(&self) -> &Netns {
        &self.cloud
    }

    /// The namespace that clients live in; its interface is `eth0`.
    #[must_use]
    pub fn device(&self) -> &Netns {
        &self.device
    }

    /// The place for processes in the cloud, resolving names as the device does.
    #[must_use]
    pub fn cloud_place(&self) -> Place {
        self.cloud_place.clone().in_cgroup(&self.cloud_cgroup)
    }

    /// The place for processes on the device, in no cgroup of the lab's.
    #[must_use]
    pub fn device_place(&self) -> Place {
        self.device_place.clone()
    }

    /// A service-tags file in the published format (facts of the real one: `cloud` is `Public`,
    /// `networkFeatures` may be null) that covers the lab's registries and storage.
    #[must_use]
    pub fn service_tags(&self) -> &Path {
        &self.service_tags
    }
}

/// The cloud alone, its link's other end, `eth0`, in the network namespace that is the file `device`.
///
/// # Errors
/// When the kernel refuses, or `ip` is missing.
pub fn cloud(device: &Path) -> Result<Netns> {
    let cloud = Netns::new()?;
    cloud.ip(&cloud_lines(device))?;
    Ok(cloud)
}

/// A `local` route makes a whole prefix answer; `cloud0` is the device's gateway.
fn cloud_lines(device: &Path) -> String {
    let mut lines = format!(
        "link set lo up\n\
         link add cloud0 type veth peer name eth0 netns {}\n\
         address add 10.53.0.1/24 dev cloud0\n\
         address add {RESOLVER_V4}/24 dev cloud0\n\
         address add fd53::1/64 dev cloud0 nodad\n\
         address add {RESOLVER_V6}/64 dev cloud0 nodad\n\
         link set cloud0 up\n",
        device.display(),
    );
    let prefixes = [REGISTRIES, STORAGE, INTERNET];
    for prefix in prefixes.as_flattened().iter().chain(&REPLICA_REGISTRIES) {
        lines.push_str(&format!("route add local {prefix} dev lo\n"));
    }
    lines
}

fn device_lines() -> String {
    format!(
        "link set lo up\n\
         address add {}/24 dev eth0\n\
         address add {}/64 dev eth0 nodad\n\
         link set eth0 up\n\
         route add default via 10.53.0.1\n\
         route add default via fd53::1\n",
        DEVICE[0], DEVICE[1],
    )
}

/// Lookups go to the lab's resolver, whatever the machine's own `/etc` says. Without the `resolve`
/// and `mdns` services of nsswitch.conf(5), which leave the network namespace through a socket.
fn with_resolver(place: Place, scratch: &Scratch, name: &str) -> Result<Place> {
    let resolv = scratch.file(
        &format!("{name}-resolv.conf"),
        format!(
            "nameserver {RESOLVER_V4}\nnameserver {RESOLVER_V6}\noptions timeout:2 attempts:2\n"
        ),
    )?;
    let mut place = place.with_bind(&resolv, Path::new("/etc/resolv.conf"))?;
    for (file, contents) in [
        ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\n",
        ),
    ] {
        let target = Path::new("/etc").join(file);
        if target.exists() {
            let source = scratch.file(&format!("{name}-{file}"), contents)?;
            place = place.with_bind(&source, &target)?;
        }
    }
    Ok(place)
}
