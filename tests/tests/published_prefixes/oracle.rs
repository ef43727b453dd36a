//! An independent oracle: reads the published file as plain JSON and its prefixes as sorted intervals. It
//! shares no code with the importer, the aggregation, the tables or the decision.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use anyhow::{Context, Result};
use enforcer_common::Reason;
use serde_json::Value;

/// Prefixes that are not global (IANA special-purpose address registry).
const LOCAL_V4: [&str; 13] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
];
const GLOBAL_V6: &str = "2000::/3";
const DOCUMENTATION_V6: [&str; 2] = ["2001:db8::/32", "3fff::/20"];
const PLATFORM: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// First and last address.
pub(crate) type Interval = (IpAddr, IpAddr);

/// Sorted and merged intervals by address family.
#[derive(Default)]
struct Set {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

/// The protected addresses of one published file.
pub(crate) struct Oracle {
    storage: Set,
    registries: Set,
    local: Set,
    global: Set,
    /// All prefixes as published, not merged.
    pub(crate) raw: Vec<Interval>,
}

impl Oracle {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).context("read the published file")?;
        let published: Value = serde_json::from_str(&text)?;
        let mut raw: BTreeMap<&str, Vec<Interval>> = BTreeMap::new();
        for tag in published["values"].as_array().context("values")? {
            let name = tag["name"].as_str().context("a name")?;
            let family = name.split('.').next().unwrap_or(name);
            if family != "Storage" && family != "AzureContainerRegistry" {
                continue;
            }
            let prefixes = tag["properties"]["addressPrefixes"].as_array();
            for prefix in prefixes.context("prefixes")? {
                let prefix = prefix.as_str().context("a prefix")?;
                raw.entry(family).or_default().push(interval(prefix)?);
            }
        }
        let local: Result<Vec<Interval>> = LOCAL_V4
            .iter()
            .chain(&DOCUMENTATION_V6)
            .map(|text| interval(text))
            .collect();
        Ok(Self {
            storage: Set::new(&raw["Storage"]),
            registries: Set::new(&raw["AzureContainerRegistry"]),
            local: Set::new(&local?),
            global: Set::new(&[interval(GLOBAL_V6)?]),
            raw: raw.into_values().flatten().collect(),
        })
    }

    /// Returns the expected reason for a packet to `address`, with default `allow` and no allowed names.
    pub(crate) fn reason(&self, address: IpAddr) -> Reason {
        let address = embedded_v4(address);
        if address == IpAddr::V4(PLATFORM) {
            return Reason::Exempt;
        }
        if self.storage.contains(address) {
            return Reason::Storage;
        }
        if self.registries.contains(address) {
            return Reason::Registry;
        }
        let is_global = address.is_ipv4() || self.global.contains(address);
        if !is_global || self.local.contains(address) {
            return Reason::Local;
        }
        Reason::DefaultAllow
    }
}

impl Set {
    fn new(intervals: &[Interval]) -> Self {
        let mut set = Self::default();
        for interval in intervals {
            match *interval {
                (IpAddr::V4(first), IpAddr::V4(last)) => set.v4.push((first.into(), last.into())),
                (IpAddr::V6(first), IpAddr::V6(last)) => set.v6.push((first.into(), last.into())),
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
            }
        }
        set.v4 = merged(set.v4);
        set.v6 = merged(set.v6);
        set
    }

    fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => covers(&self.v4, address.into()),
            IpAddr::V6(address) => covers(&self.v6, address.into()),
        }
    }
}

/// Merges overlapping intervals, but not adjacent ones.
fn merged<N: Ord + Copy>(mut intervals: Vec<(N, N)>) -> Vec<(N, N)> {
    intervals.sort_unstable();
    let mut merged: Vec<(N, N)> = Vec::new();
    for (first, last) in intervals {
        match merged.last_mut() {
            Some(before) if first <= before.1 => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

fn covers<N: Ord + Copy>(sorted: &[(N, N)], number: N) -> bool {
    let after = sorted.partition_point(|(first, _)| *first <= number);
    after > 0 && number <= sorted[after - 1].1
}

/// Returns the IPv4 address in an IPv4-mapped or NAT64 address.
fn embedded_v4(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            Ipv4Addr::new(a, b, c, d).into()
        }
        _ => address,
    }
}

fn interval(prefix: &str) -> Result<Interval> {
    let (address, bits) = prefix.split_once('/').context("a prefix has a length")?;
    let bits: u32 = bits.parse()?;
    Ok(match address.parse()? {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            let address = u32::from(address);
            let ends = [address & !host, address | host].map(Ipv4Addr::from);
            (ends[0].into(), ends[1].into())
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let address = u128::from(address);
            let ends = [address & !host, address | host].map(Ipv6Addr::from);
            (ends[0].into(), ends[1].into())
        }
    })
}
