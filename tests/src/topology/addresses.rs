//! The lab's address plan: documentation prefixes (RFC 5737, RFC 3849) and benchmarking prefixes (RFC 2544) in the roles of Azure's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

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
/// All registries in the regions of [`REPLICAS`], disjoint from [`REGISTRIES`].
pub const REPLICA_REGISTRIES: [&str; 1] = ["198.18.0.0/21"];
/// Regions without a replica in a fresh lab; their data endpoints are reserved for [`crate::fixtures::replicas`].
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
/// Storage accounts, including the bad actor's.
pub const STORAGE: [&str; 2] = ["203.0.113.0/24", "2001:db8:b10b::/48"];
/// An unrelated web server.
pub const INTERNET: [&str; 2] = ["192.0.2.80/32", "2001:db8:80::80/128"];

/// An Azure region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its name in host names.
    pub name: &'static str,
    /// Its name in service tags.
    pub tag: &'static str,
    /// The prefixes of its data endpoints, IPv4 and IPv6.
    pub data: [&'static str; 2],
}

impl Region {
    const fn new(name: &'static str, tag: &'static str, data: [&'static str; 2]) -> Self {
        Self { name, tag, data }
    }
}

/// Returns a name that resolves to `address` in the lab: contoso's for a registry.
#[must_use]
pub fn name_at(address: SocketAddr) -> String {
    let is_in = |prefixes: &[&str]| {
        let mut prefixes = prefixes.iter().filter_map(|each| each.parse().ok());
        prefixes.any(|prefix: IpNet| prefix.contains::<&IpAddr>(&address.ip()))
    };
    let eastus = ("eastus", DATA_EASTUS);
    let regions = [eastus, ("westus", DATA_WESTUS)].into_iter();
    let mut regions = regions.chain(REPLICAS.map(|region| (region.name, region.data)));
    match regions.find(|(_, data)| is_in(data)) {
        Some((region, _)) => format!("contoso.{region}.data.azurecr.io"),
        None if is_in(&STORAGE) => "evil.blob.core.windows.net".to_owned(),
        None if is_in(&INTERNET) => "www.example.org".to_owned(),
        None => "contoso.azurecr.io".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_an_address_is_that_of_its_endpoint() {
        let name = |address: &str| name_at((address.parse::<IpAddr>().unwrap(), 443).into());
        assert_eq!(name("198.51.100.10"), "contoso.azurecr.io");
        assert_eq!(name("198.51.100.130"), "contoso.eastus.data.azurecr.io");
        assert_eq!(
            name("2001:db8:acc:92::1"),
            "contoso.japaneast.data.azurecr.io"
        );
        assert_eq!(name("203.0.113.1"), "evil.blob.core.windows.net");
    }
}
