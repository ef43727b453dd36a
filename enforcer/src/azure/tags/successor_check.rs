//! Compares new service tags with those in force and with the bundle: a list that lacks prefixes would leave addresses unprotected.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::error::TagError;
use super::snapshot::TagSnapshot;
use crate::azure::bundle;
use crate::azure::prefixes::PrefixSet;
use crate::config::REGISTRY_TAG;

/// At most one in this many prefixes of a tag may be missing; over 18 months of published files, fewer were.
const MOST_GONE: u64 = 10;
/// How far a change number may be ahead; published ones increase by a few each week.
const MOST_AHEAD: u32 = 10_000;

/// Refuses service tags that are older than those in force.
///
/// # Errors
/// [`TagError::Older`].
pub fn check_not_older(current: &TagSnapshot, new: &TagSnapshot) -> Result<(), TagError> {
    if new.change_number < current.change_number {
        return Err(TagError::Older {
            current: current.change_number,
            new: new.change_number,
        });
    }
    Ok(())
}

/// Refuses service tags that are older than the bundle of their cloud, or lack much of it; see [`check_complete`].
///
/// # Errors
/// [`TagError::OlderThanBundle`], [`TagError::Shrunk`] and [`TagError::FarAhead`], each with the way to import the tags anyway.
pub fn check_against_bundle(tags: &TagSnapshot) -> Result<(), TagError> {
    if bundle::is_newer_than(tags)? {
        return Err(TagError::OlderThanBundle {
            source_name: tags.origin.to_string(),
            new: tags.change_number,
            date: tags.date,
            bundle: bundle::header(tags.cloud)?.to_string(),
        });
    }
    check_complete(&bundle::load(tags.cloud)?, tags)
}

/// Refuses service tags that lack more than a tenth of the IPv4 addresses, of the IPv6 prefixes or of the regions of a tag that both have, or
/// whose change number is more than 10,000 above the `current` one: later genuine files would then count as older.
///
/// Prefixes that the Service Tag Discovery API added to `current` may be missing.
///
/// # Errors
/// [`TagError::Shrunk`] and [`TagError::FarAhead`], each with the way to import the tags anyway.
pub fn check_complete(current: &TagSnapshot, new: &TagSnapshot) -> Result<(), TagError> {
    if new.change_number > current.change_number.saturating_add(MOST_AHEAD) {
        return Err(TagError::FarAhead {
            source_name: new.origin.to_string(),
            current: current.change_number,
            new: new.change_number,
        });
    }
    for (tag, known) in &current.families {
        let Some(found) = new.families.get(tag) else {
            continue;
        };
        let added = current.added.as_ref();
        let found = match added.and_then(|added| added.families.get(tag)) {
            Some(added) => found.union(added),
            None => found.clone(),
        };
        let regions = (tag == REGISTRY_TAG)
            .then(|| regions_gone(&current.registry_regions, &new.registry_regions));
        let gone = [v4_gone(known, &found), v6_gone(known, &found)];
        let mut gone = gone.into_iter().chain(regions);
        if let Some(gone) = gone.find(|gone| gone.count.saturating_mul(MOST_GONE) > gone.of) {
            return Err(TagError::Shrunk {
                source_name: new.origin.to_string(),
                tag: tag.clone(),
                gone: gone.count,
                of: gone.of,
                what: gone.what,
                holder: current.origin.to_string(),
            });
        }
    }
    Ok(())
}

/// How much of a tag is missing.
struct Gone {
    count: u64,
    of: u64,
    what: &'static str,
}

fn v4_gone(known: &PrefixSet, found: &PrefixSet) -> Gone {
    Gone {
        count: known.union(found).v4_addresses() - found.v4_addresses(),
        of: known.v4_addresses(),
        what: "IPv4 addresses",
    }
}

/// Counts prefixes: a count of addresses would depend on the few shortest ones.
fn v6_gone(known: &PrefixSet, found: &PrefixSet) -> Gone {
    let all = known.v6().iter().copied().map(IpNet::V6);
    let (gone, kept): (Vec<_>, Vec<_>) = all.partition(|prefix| !found.covers(*prefix));
    let count = |prefixes: &[IpNet]| u64::try_from(prefixes.len()).unwrap_or(u64::MAX);
    Gone {
        count: count(&gone),
        of: count(&gone) + count(&kept),
        what: "IPv6 prefixes",
    }
}

/// Counts regions that have registries.
fn regions_gone(known: &BTreeMap<String, PrefixSet>, found: &BTreeMap<String, PrefixSet>) -> Gone {
    let known = || known.keys().filter(|region| !region.is_empty());
    let gone = known().filter(|region| !found.contains_key(*region));
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Gone {
        count: count(gone.count()),
        of: count(known().count()),
        what: "regions",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::tags::{AddedTags, TagOrigin, import_file};
    use crate::azure::test_data;
    use crate::config::{Cloud, STORAGE_TAG};

    fn tags(change_number: u32, prefixes: &[String]) -> TagSnapshot {
        let storage = prefixes.iter().map(|prefix| prefix.parse::<IpNet>());
        let storage = storage.collect::<Result<PrefixSet, _>>().unwrap();
        TagSnapshot {
            change_number,
            origin: TagOrigin::Url("https://mirror.example.com/tags.json".to_owned()),
            families: BTreeMap::from([(STORAGE_TAG.to_owned(), storage)]),
            ..bundle::load(Cloud::Public).unwrap()
        }
    }

    /// The first `v4` of some /24 and the first `v6` of some /64, no two of them adjacent.
    fn prefixes(v4: usize, v6: usize) -> Vec<String> {
        let v4 = (0..v4).map(|n| format!("10.0.{}.0/24", 2 * n));
        let v6 = (0..v6).map(|n| format!("2001:db8:0:{:x}::/64", 2 * n));
        v4.chain(v6).collect()
    }

    #[test]
    fn at_most_a_tenth_of_a_tag_may_be_missing() {
        let current = tags(7, &prefixes(20, 20));
        for (v4, v6, is_fine) in [
            (20, 20, true),
            (40, 40, true),
            (18, 18, true),
            (17, 20, false),
            (20, 17, false),
            (40, 0, false),
            (0, 40, false),
        ] {
            let result = check_complete(&current, &tags(8, &prefixes(v4, v6)));
            assert_eq!(result.is_ok(), is_fine, "{v4} {v6}: {result:?}");
        }
        let error = check_complete(&current, &tags(8, &prefixes(10, 20)));
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with(
                "https://mirror.example.com/tags.json: lacks 2560 of the 5120 IPv4 addresses of \"Storage\""
            ),
            "{error}"
        );
        assert!(
            error.contains("`egress-enforcer tags import FILE --force`"),
            "{error}"
        );
        let elsewhere = ["172.16.0.0/12".to_owned(), "2001:db8::/32".to_owned()];
        assert!(check_complete(&current, &tags(8, &elsewhere)).is_err());
    }

    #[test]
    fn tags_of_one_side_only_and_prefixes_from_the_api_may_be_missing() {
        let mut current = tags(7, &prefixes(20, 20));
        let fewer = tags(8, &prefixes(15, 15));
        assert!(check_complete(&current, &fewer).is_err());
        let added = |prefixes: &[String]| AddedTags {
            change_number: 6,
            families: tags(6, prefixes).families,
            left_out: Vec::new(),
        };
        current.added = Some(added(&prefixes(20, 20)[15..20]));
        let error = check_complete(&current, &fewer).unwrap_err().to_string();
        assert!(error.contains("lacks 5 of the 20 IPv6 prefixes"), "{error}");
        current.added = Some(added(&prefixes(20, 20)[15..]));
        assert!(check_complete(&current, &fewer).is_ok());
        current.added = None;
        let storage = current.families.remove(STORAGE_TAG).unwrap();
        current.families.insert(REGISTRY_TAG.to_owned(), storage);
        assert!(check_complete(&current, &fewer).is_ok());
    }

    #[test]
    fn registries_keep_nine_tenths_of_their_regions() {
        let current = test_data::later(500);
        let regions = current.registry_regions.len();
        let without = |gone: usize| {
            let mut fewer = current.clone();
            fewer.registry_regions = current
                .registry_regions
                .clone()
                .into_iter()
                .skip(gone)
                .collect();
            check_complete(&current, &fewer)
        };
        assert!(without(regions / 10).is_ok());
        let error = without(regions / 10 + 1).unwrap_err().to_string();
        assert!(
            error.contains("regions of \"AzureContainerRegistry\""),
            "{error}"
        );
        assert!(without(regions).is_err());
    }

    #[test]
    fn tags_are_compared_with_the_bundle_whatever_they_follow() {
        let refused = |tags: TagSnapshot| {
            check_against_bundle(&tags)
                .err()
                .map(|error| error.to_string())
        };
        assert_eq!(refused(test_data::later(500)), None);
        let older = refused(test_data::later(305)).unwrap();
        for words in [
            "change 305, published about 2024-05-06, older",
            "change 403 or later, published 2026-06-22",
        ] {
            assert!(older.contains(words), "no {words:?} in {older}");
        }
        for tag in [STORAGE_TAG, REGISTRY_TAG] {
            let ipv4_only =
                test_data::thinned(test_data::later(500), tag, |prefix| prefix.addr().is_ipv4());
            let lacks = refused(ipv4_only).unwrap();
            let what = format!("IPv6 prefixes of \"{tag}\" in the bundle in the binary");
            assert!(lacks.contains(&what), "{lacks}");
        }
    }

    #[test]
    fn a_change_number_far_ahead_is_refused() {
        let all = prefixes(1, 1);
        let current = tags(300, &all);
        assert!(check_complete(&current, &tags(10_300, &all)).is_ok());
        assert!(check_complete(&current, &tags(1, &all)).is_ok());
        for ahead in [10_301, u32::MAX] {
            let error = check_complete(&current, &tags(ahead, &all)).unwrap_err();
            assert!(matches!(error, TagError::FarAhead { .. }), "{error}");
            assert!(error.to_string().contains("tags import FILE --force"));
        }
        assert!(check_complete(&tags(u32::MAX, &all), &current).is_ok());
    }

    #[test]
    fn each_published_file_is_a_successor_of_the_earlier_ones() {
        let wanted = [STORAGE_TAG, REGISTRY_TAG].map(str::to_owned);
        let files = ["20240506", "20251013", "20251028", "20260622"].map(|date| {
            let file = test_data::service_tags(&format!("ServiceTags_Public_{date}.json"))?;
            Some(import_file(&file, Cloud::Public, &wanted).unwrap())
        });
        let [Some(first), Some(second), Some(third), Some(fourth)] = files else {
            return;
        };
        for (current, new) in [
            (&first, &second),
            (&second, &third),
            (&first, &third),
            (&first, &fourth),
        ] {
            check_complete(current, new).unwrap();
        }
    }
}
