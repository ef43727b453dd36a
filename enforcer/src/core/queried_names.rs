//! The names that programs asked DNS for, by the addresses in the answers: so that a denial has the name that led to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use enforcer_common::layout::{MAX_NAMES, NameEntry};

use crate::azure::regions;
use crate::config::Cloud;
use crate::name::Name;
use crate::policy::{NameIds, NameInput};
use crate::sources::Sources;

/// The most pairs of a cgroup and an address.
const MOST: usize = 1024;
/// How long a name explains a denial: programs keep addresses for long.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The services of a storage account, as its names have them (Azure Storage, "Storage account endpoints").
const STORAGE_SERVICES: [&str; 5] = ["blob", "dfs", "file", "queue", "table"];

/// Names by cgroup and address. When there are too many, the cgroup with the most loses its oldest.
#[derive(Debug, Default)]
pub(crate) struct QueriedNames {
    by_cgroup: BTreeMap<u64, BTreeMap<IpAddr, Asked>>,
    total: usize,
}

#[derive(Clone, Debug)]
struct Asked {
    name: Name,
    at: Duration,
}

impl QueriedNames {
    /// Notes that an answer to `cgroup` gave `name` this address.
    pub(super) fn answered(&mut self, cgroup: u64, name: Name, address: IpAddr, now: Duration) {
        let asked = Asked { name, at: now };
        let of_cgroup = self.by_cgroup.entry(cgroup).or_default();
        if of_cgroup.insert(address, asked).is_none() {
            self.total += 1;
        }
        if self.total > MOST {
            self.drop_oldest();
        }
    }

    /// Returns the name that `cgroup` asked for, or else that another program asked for last, such as this host's resolver; and whether it
    /// was another.
    pub(crate) fn name_of(
        &self,
        cgroup: u64,
        address: IpAddr,
        now: Duration,
    ) -> Option<(&Name, bool)> {
        let is_fresh = |asked: &&Asked| now.saturating_sub(asked.at) <= KEPT;
        let own = self.by_cgroup.get(&cgroup);
        let own = own.and_then(|names| names.get(&address)).filter(is_fresh);
        if let Some(own) = own {
            return Some((&own.name, false));
        }
        let all = self.by_cgroup.values();
        let others = all.filter_map(|names| names.get(&address));
        let last = others.filter(is_fresh).max_by_key(|asked| asked.at)?;
        Some((&last.name, true))
    }

    fn drop_oldest(&mut self) {
        let largest = self.by_cgroup.values_mut().max_by_key(|names| names.len());
        if let Some(names) = largest {
            let oldest = names.iter().min_by_key(|(_, asked)| asked.at);
            if let Some(address) = oldest.map(|(address, _)| *address) {
                names.remove(&address);
                self.total -= 1;
            }
        }
        self.by_cgroup.retain(|_, names| !names.is_empty());
    }
}

/// Adds what the kernel is to watch for to the policy's names: what follows the first label in names of storage accounts, registries and data
/// endpoints. It allows nothing. It takes no more than half of the map's room, so that there is some for changes.
pub(super) fn watch(names: &mut Vec<NameInput>, sources: &Sources, ids: &mut NameIds) {
    let room = (MAX_NAMES as usize / 2).saturating_sub(names.len());
    let parents = parents(sources.config.protect.cloud).into_iter();
    names.extend(parents.take(room).map(|text| NameInput {
        id: ids.id(&text),
        text,
        flags: NameEntry::WATCHED | NameEntry::ASK_DAEMON,
        ..NameInput::default()
    }));
}

/// Whether the text of a name in the policy is watched only.
pub(super) fn is_watched(text: &str) -> bool {
    text.starts_with('.')
}

fn parents(cloud: Cloud) -> Vec<String> {
    let zone = cloud.storage_suffixes().first().into_iter();
    let accounts =
        zone.flat_map(|zone| STORAGE_SERVICES.map(|service| format!(".{service}.{zone}")));
    let registry = cloud.registry_suffix();
    let regions = regions::known(cloud).iter();
    let data = regions.map(|region| format!(".{region}.data.{registry}"));
    accounts
        .chain([format!(".{registry}")])
        .chain(data)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: u64 = 7;
    const OTHER: u64 = 8;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ip(last: u32) -> IpAddr {
        IpAddr::from((0x143c_0000 + last).to_be_bytes())
    }

    fn name(label: &str) -> Name {
        format!("{label}.blob.core.windows.net").parse().unwrap()
    }

    fn found(asked: &QueriedNames, cgroup: u64, last: u32, seconds: u64) -> Option<String> {
        let (name, is_others) = asked.name_of(cgroup, ip(last), at(seconds))?;
        Some(format!("{name}{}", if is_others { "?" } else { "" }))
    }

    #[test]
    fn the_own_name_comes_before_that_of_others() {
        let mut asked = QueriedNames::default();
        asked.answered(AGENT, name("agents"), ip(1), at(0));
        asked.answered(OTHER, name("others"), ip(1), at(1));
        let text = |label: &str| Some(name(label).to_string());
        assert_eq!(found(&asked, AGENT, 1, 2), text("agents"));
        assert_eq!(found(&asked, OTHER, 1, 2), text("others"));
        let last = text("others").map(|name| name + "?");
        assert_eq!(found(&asked, 9, 1, 2), last);
        assert_eq!(found(&asked, AGENT, 2, 2), None);
        let day = KEPT.as_secs();
        assert_eq!(found(&asked, AGENT, 1, day), text("agents"));
        assert_eq!(found(&asked, AGENT, 1, day + 1), last, "its own is older");
        assert_eq!(found(&asked, AGENT, 1, day + 2), None);
    }

    #[test]
    fn a_flood_displaces_only_its_own_names() {
        let mut asked = QueriedNames::default();
        asked.answered(AGENT, name("agents"), ip(0), at(0));
        for number in 0..5000 {
            asked.answered(OTHER, name("others"), ip(number), at(u64::from(number)));
        }
        assert!(found(&asked, AGENT, 0, 5000).is_some());
        assert_eq!(found(&asked, AGENT, 3000, 5000), None);
        let total: usize = asked.by_cgroup.values().map(BTreeMap::len).sum();
        assert_eq!(total, MOST);
    }

    #[test]
    fn names_of_each_cloud_are_watched() {
        let public = parents(Cloud::Public);
        for parent in [
            ".blob.core.windows.net",
            ".azurecr.io",
            ".eastus.data.azurecr.io",
        ] {
            assert!(public.iter().any(|text| text == parent), "{parent}");
        }
        assert!(parents(Cloud::China).contains(&".blob.core.chinacloudapi.cn".to_owned()));
        assert!(public.iter().all(|text| is_watched(text)));
    }
}
