//! The regions in which registries can have replicas, as written in data endpoint names.

use std::collections::BTreeSet;

use super::TagSnapshot;
use crate::config::Cloud;

/// Physical regions, including canary and staging regions.
#[rustfmt::skip]
const PUBLIC: [&str; 62] = [
    "australiacentral", "australiacentral2", "australiaeast", "australiasoutheast", "austriaeast",
    "belgiumcentral", "brazilsouth", "brazilsoutheast", "canadacentral", "canadaeast",
    "centralindia", "centralus", "centraluseuap", "chilecentral", "denmarkeast", "eastasia",
    "eastus", "eastus2", "eastus2euap", "eastusstg", "francecentral", "francesouth", "germanynorth",
    "germanywestcentral", "indonesiacentral", "israelcentral", "italynorth", "japaneast",
    "japanwest", "jioindiacentral", "jioindiawest", "koreacentral", "koreasouth", "malaysiawest",
    "mexicocentral", "newzealandnorth", "northcentralus", "northeurope", "norwayeast", "norwaywest",
    "polandcentral", "qatarcentral", "southafricanorth", "southafricawest", "southcentralus",
    "southcentralusstg", "southeastasia", "southindia", "spaincentral", "swedencentral",
    "switzerlandnorth", "switzerlandwest", "uaecentral", "uaenorth", "uksouth", "ukwest",
    "westcentralus", "westeurope", "westindia", "westus", "westus2", "westus3",
];
const US_GOVERNMENT: [&str; 5] = [
    "usdodcentral",
    "usdodeast",
    "usgovarizona",
    "usgovtexas",
    "usgovvirginia",
];
const CHINA: [&str; 6] = [
    "chinaeast",
    "chinaeast2",
    "chinaeast3",
    "chinanorth",
    "chinanorth2",
    "chinanorth3",
];

/// The most regions from tags: each is one more name to query for each registry.
const MOST_FROM_TAGS: usize = 256;

/// The regions of `cloud` that were known when this version was built, sorted.
pub const fn known(cloud: Cloud) -> &'static [&'static str] {
    match cloud {
        Cloud::Public => &PUBLIC,
        Cloud::UsGovernment => &US_GOVERNMENT,
        Cloud::China => &CHINA,
    }
}

/// Returns all regions where a replica may be: the known ones, at most 256 others of `tags`, and `more` from the configuration.
pub fn all(tags: &TagSnapshot, more: &[String]) -> BTreeSet<String> {
    let known = known(tags.cloud);
    let named = tags.registry_regions.keys();
    let new = named.filter(|region| !known.contains(&region.as_str()));
    let new = new.take(MOST_FROM_TAGS).chain(more).cloned();
    known
        .iter()
        .map(|region| (*region).to_owned())
        .chain(new)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::{bundle, test_data};

    #[test]
    fn the_known_regions_are_those_of_the_published_list() {
        let Some(list) = test_data::regions() else {
            return;
        };
        assert_eq!(known(Cloud::Public), list.lines().collect::<Vec<_>>());
    }

    #[test]
    fn every_known_region_makes_a_name() {
        for cloud in Cloud::ALL {
            let login = format!("contoso.{}", cloud.registry_suffix());
            let login = login.parse().unwrap();
            assert!(known(cloud).is_sorted(), "{cloud}");
            for region in known(cloud) {
                let endpoint = crate::azure::endpoints::in_region(&login, region, cloud).unwrap();
                assert!(
                    endpoint
                        .name
                        .is_within(&format!("{region}.data.{}", cloud.registry_suffix()))
                );
            }
        }
    }

    #[test]
    fn regions_of_the_tags_and_of_the_configuration_are_added() {
        let tags = bundle::load(Cloud::Public).unwrap();
        let regions = all(&tags, &["newregion".to_owned()]);
        for region in ["eastus", "southeastus3", "newregion"] {
            assert!(regions.contains(region), "{region}");
        }
        assert!(!known(Cloud::Public).contains(&"southeastus3"));
    }

    #[test]
    fn too_many_regions_in_tags_displace_no_other() {
        let mut tags = bundle::load(Cloud::Public).unwrap();
        let invented = (0..5000).map(|n| (format!("a{n}"), crate::azure::PrefixSet::default()));
        tags.registry_regions.extend(invented);
        let more = ["newregion".to_owned()];
        let regions = all(&tags, &more);
        assert_eq!(regions.len(), PUBLIC.len() + MOST_FROM_TAGS + more.len());
        assert!(regions.contains("newregion") && regions.contains("westus3"));
    }
}
