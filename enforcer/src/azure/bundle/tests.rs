use ipnet::IpNet;

use super::*;
use crate::azure::PrefixSet;
use crate::azure::test_data;

#[test]
fn every_bundle_parses_and_keeps_registries_apart_from_storage() {
    for cloud in Cloud::ALL {
        let bundle = load(cloud).unwrap();
        let registries = bundle.family(REGISTRY_TAG).unwrap();
        let storage = bundle.family(STORAGE_TAG).unwrap();
        assert!(!registries.is_empty() && !storage.is_empty());
        assert!(!registries.intersects(storage), "{cloud}");
        assert!(bundle.date.is_some(), "{cloud}");
    }
}

#[test]
fn exporting_and_parsing_is_lossless() {
    for cloud in Cloud::ALL {
        let bundle = load(cloud).unwrap();
        assert_eq!(parse(&export(&bundle), cloud).unwrap(), bundle);
    }
}

#[test]
fn the_committed_bundles_are_generated_from_the_published_files() {
    for (cloud, file) in test_data::NEWEST {
        let Some(path) = test_data::service_tags(file) else {
            return;
        };
        let is_lower_bound = header(cloud).unwrap().is_lower_bound;
        let generated = generate(&path, cloud, is_lower_bound).unwrap();
        assert!(generated == text(cloud), "{cloud}");
    }
}

#[test]
fn older_tags_are_recognized_by_number_and_near_a_lower_bound_by_date() {
    let older = |change_number| is_newer_than(&test_data::later(change_number)).unwrap();
    let changed = |change_number| {
        let tags = test_data::later(change_number);
        let tags = test_data::thinned(tags, STORAGE_TAG, |prefix| prefix.prefix_len() != 16);
        is_newer_than(&tags).unwrap()
    };
    assert!(older(305) && older(402) && !older(403) && !older(421));
    // Published before 22 June 2026 by interpolation, and different from the bundle.
    assert!(changed(403) && changed(406));
    assert!(!changed(407) && !changed(5000));
}

#[test]
fn the_bundle_replaces_older_tags_but_for_those_that_it_lacks() {
    let mut older = test_data::later(305);
    let sql: PrefixSet = ["192.0.2.0/24".parse::<IpNet>().unwrap()]
        .into_iter()
        .collect();
    older.families.insert("Sql".to_owned(), sql.clone());
    older.families.insert(STORAGE_TAG.to_owned(), sql.clone());
    let place = in_place_of(older).unwrap();
    assert_eq!(
        (place.change_number, &place.origin),
        (403, &TagOrigin::Bundle)
    );
    assert_eq!(place.families["Sql"], sql);
    let address = "57.163.0.1".parse().unwrap();
    assert!(place.families[STORAGE_TAG].contains(address));
}

#[test]
fn every_bundle_has_the_regions_of_registries() {
    for cloud in Cloud::ALL {
        let bundle = load(cloud).unwrap();
        assert!(bundle.registry_regions.len() >= 5, "{cloud}");
        let registries = bundle.family(REGISTRY_TAG).unwrap();
        for (region, prefixes) in &bundle.registry_regions {
            assert!(
                !prefixes.is_empty() && registries.is_superset(prefixes),
                "{region}"
            );
        }
    }
    // A front end that public documents show.
    let bundle = load(Cloud::Public).unwrap();
    let address = "20.42.66.0".parse().unwrap();
    let mut of = bundle
        .registry_regions
        .iter()
        .filter(|(_, prefixes)| prefixes.contains(address));
    assert_eq!(of.next().map(|(region, _)| region.as_str()), Some("eastus"));
    assert_eq!(of.next(), None);
}

#[test]
fn exporting_regions_that_share_or_split_a_prefix_is_lossless() {
    let set = |prefixes: &[&str]| -> PrefixSet {
        prefixes
            .iter()
            .map(|p| p.parse::<IpNet>().unwrap())
            .collect()
    };
    let snapshot = TagSnapshot {
        cloud: Cloud::Public,
        change_number: 1,
        date: None,
        origin: TagOrigin::Bundle,
        added: None,
        families: [(
            REGISTRY_TAG.to_owned(),
            set(&["192.0.2.0/24", "2001:db8::/32"]),
        )]
        .into(),
        registry_regions: [
            ("eastus".to_owned(), set(&["192.0.2.0/25", "2001:db8::/32"])),
            (
                "westus".to_owned(),
                set(&["192.0.2.0/25", "192.0.2.128/25"]),
            ),
        ]
        .into(),
    };
    assert_eq!(parse(&export(&snapshot), Cloud::Public).unwrap(), snapshot);
}

#[test]
fn a_damaged_bundle_is_refused_with_its_line() {
    let whole = "cloud Public\nchange-number 1\ndate 2026-01-01\ntag Storage\n192.0.2.0/24\n";
    assert!(parse(whole, Cloud::Public).is_ok());
    for (from, to, at) in [
        ("192.0.2.0/24", "192.0.2.0/240", 5),
        ("cloud Public\n", "", 1),
        ("cloud Public", "cloud China", 1),
        ("cloud Public", "cloud Mars", 1),
        ("change-number 1\n", "", 1),
        ("change-number 1", "change-number one", 2),
        ("date 2026-01-01", "date 2026-13-01", 3),
        ("date 2026-01-01", "weather fine", 3),
        ("tag Storage\n192.0.2.0/24\n", "", 1),
        ("tag Storage\n", "", 4),
        ("192.0.2.0/24", "192.0.2.0/24 eastus", 5),
        (
            "tag Storage\n192.0.2.0/24",
            "tag AzureContainerRegistry\nx eastus",
            5,
        ),
    ] {
        let error = parse(&whole.replace(from, to), Cloud::Public).unwrap_err();
        assert!(
            matches!(error, TagError::Bundle { line, .. } if line == at),
            "{to}: {error}"
        );
    }
}
