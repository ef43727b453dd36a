use serde_json::{Value, json};

use super::*;
use crate::azure::TagOrigin;
use crate::config::STORAGE_TAG;

fn set(prefixes: &[&str]) -> PrefixSet {
    prefixes
        .iter()
        .map(|prefix| prefix.parse::<ipnet::IpNet>().unwrap())
        .collect()
}

fn wanted() -> [String; 2] {
    [STORAGE_TAG, REGISTRY_TAG].map(str::to_owned)
}

fn tag(name: &str, prefixes: &[&str]) -> Value {
    json!({"name": name, "id": name, "properties": {"changeNumber": "3", "region": "", "systemService": "AzureStorage",
           "addressPrefixes": prefixes}})
}

fn page(tags: &[Value], next: Option<&str>) -> Vec<u8> {
    let mut page = json!({"name": "Public", "id": "/subscriptions/x", "type": "Microsoft.Network/serviceTags",
                          "changeNumber": "63", "cloud": "Public", "values": tags});
    if let Some(next) = next {
        page["nextLink"] = next.into();
    }
    page.to_string().into_bytes()
}

fn read(pages: &[Vec<u8>]) -> Result<ApiTags, TagError> {
    let wanted = wanted();
    let mut reader = ApiTagsReader::new(Cloud::Public, &wanted, Path::new("the API"));
    for page in pages {
        reader.page(page)?;
    }
    reader.finish()
}

fn snapshot() -> TagSnapshot {
    TagSnapshot {
        families: BTreeMap::from([
            (STORAGE_TAG.to_owned(), set(&["192.0.2.0/24"])),
            (REGISTRY_TAG.to_owned(), set(&["198.51.100.0/24"])),
        ]),
        origin: TagOrigin::Bundle,
        ..crate::azure::bundle::load(Cloud::Public).unwrap()
    }
}

#[test]
fn pages_are_combined_and_a_regional_tag_may_precede_its_global_tag() {
    let pages = [
        page(
            &[tag("Storage.EastUS", &["203.0.113.0/25"])],
            Some("https://next/"),
        ),
        page(
            &[
                tag("Storage", &["203.0.113.0/24"]),
                tag("Sql", &["10.0.0.0/1"]),
            ],
            Some(""),
        ),
    ];
    let wanted = wanted();
    let mut reader = ApiTagsReader::new(Cloud::Public, &wanted, Path::new("the API"));
    assert_eq!(
        reader.page(&pages[0]).unwrap().as_deref(),
        Some("https://next/")
    );
    assert_eq!(reader.page(&pages[1]).unwrap(), None);
    let more = reader.finish().unwrap();
    assert_eq!(more.change_number, 63);
    assert_eq!(
        more.families,
        BTreeMap::from([(STORAGE_TAG.to_owned(), set(&["203.0.113.0/24"]))])
    );
}

#[test]
fn the_content_checks_of_files_apply_to_lists() {
    let storage = || tag("Storage", &["203.0.113.0/24"]);
    for (tags, why) in [
        (vec![], "has no tag \"Storage\""),
        (
            vec![tag("Storage.EastUS", &["203.0.113.0/24"])],
            "has no tag",
        ),
        (
            vec![storage(), tag("Storage.EastUS", &["10.0.0.0/24"])],
            "lacks",
        ),
        (vec![tag("Storage", &["0.0.0.0/0"])], "shorter than"),
        (vec![tag("Storage", &["203.0.113.7/24"])], "bits set"),
        (
            vec![storage(), tag(REGISTRY_TAG, &["203.0.113.7/32"])],
            "is in \"AzureContainerRegistry\" and in \"Storage\"",
        ),
    ] {
        let error = read(&[page(&tags, None)]).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let text = String::from_utf8(page(&[storage()], None)).unwrap();
    for wrong in [
        text.replace("\"63\"", "63"),
        text.replace("\"63\"", "\"x\""),
    ] {
        let error = read(&[wrong.into_bytes()]).unwrap_err();
        assert!(matches!(error, TagError::Malformed { .. }), "{error}");
    }
    let other = text
        .replace("\"cloud\":\"Public\"", "\"cloud\":\"China\"")
        .into_bytes();
    assert!(matches!(read(&[other]), Err(TagError::OtherCloud { .. })));
    for end in 0..text.len() {
        assert!(read(&[text.as_bytes()[..end].to_vec()]).is_err(), "{end}");
    }
}

#[test]
fn a_later_answer_removes_nothing() {
    let first = read(&[page(&[tag("Storage", &["203.0.113.0/24"])], None)]).unwrap();
    let later = [
        tag("Storage", &["192.0.2.0/25"]),
        tag(REGISTRY_TAG, &["198.51.100.128/25"]),
    ];
    let both = read(&[page(&later, None)]).unwrap().and(&first);
    assert_eq!(
        both.families[STORAGE_TAG],
        set(&["192.0.2.0/25", "203.0.113.0/24"])
    );
    assert_eq!(both.families[REGISTRY_TAG], set(&["198.51.100.128/25"]));
}

#[test]
fn added_prefixes_are_reported_and_nothing_is_removed() {
    let tags = [
        tag("Storage", &["192.0.2.0/25", "203.0.113.0/24"]),
        tag(REGISTRY_TAG, &["198.51.100.128/25"]),
        tag("AzureContainerRegistry.NewRegion", &["198.51.100.128/25"]),
    ];
    let more = read(&[page(&tags, None)]).unwrap();
    let whole = snapshot().with_added(&more);
    assert_eq!(
        whole.families[STORAGE_TAG],
        set(&["192.0.2.0/24", "203.0.113.0/24"])
    );
    assert_eq!(
        whole.families[REGISTRY_TAG],
        snapshot().families[REGISTRY_TAG]
    );
    assert_eq!(
        whole.registry_regions["newregion"],
        set(&["198.51.100.128/25"])
    );
    assert!(whole.registry_regions.len() > 10, "the known regions stay");
    let added = whole.added.as_ref().unwrap();
    assert_eq!(added.change_number, 63);
    assert!(added.left_out.is_empty());
    assert_eq!(
        added.families,
        BTreeMap::from([(STORAGE_TAG.to_owned(), set(&["203.0.113.0/24"]))])
    );
    assert_eq!(whole.change_number, snapshot().change_number);
}

#[test]
fn prefixes_shared_by_registries_and_storage_are_not_added() {
    let more = ApiTags {
        cloud: Cloud::Public,
        change_number: 63,
        families: BTreeMap::from([
            (
                STORAGE_TAG.to_owned(),
                set(&["203.0.113.0/24", "198.51.100.128/25"]),
            ),
            (
                REGISTRY_TAG.to_owned(),
                set(&["192.0.2.128/25", "203.0.113.7/32", "2001:db8::/48"]),
            ),
        ]),
        registry_regions: BTreeMap::from([
            ("newregion".to_owned(), set(&["192.0.2.128/25"])),
            (
                "otherregion".to_owned(),
                set(&["2001:db8::/64", "203.0.113.7/32"]),
            ),
        ]),
    };
    let whole = snapshot().with_added(&more);
    assert_eq!(
        whole.families,
        BTreeMap::from([
            (
                STORAGE_TAG.to_owned(),
                set(&["192.0.2.0/24", "203.0.113.0/24"])
            ),
            (
                REGISTRY_TAG.to_owned(),
                set(&["198.51.100.0/24", "2001:db8::/48"])
            ),
        ])
    );
    let left_out = set(&["198.51.100.128/25", "192.0.2.128/25", "203.0.113.7/32"]);
    let added = whole.added.unwrap();
    assert_eq!(added.left_out.into_iter().collect::<PrefixSet>(), left_out);
    assert!(!whole.registry_regions.contains_key("newregion"));
    assert_eq!(
        whole.registry_regions["otherregion"],
        set(&["2001:db8::/64"])
    );
}

#[test]
fn a_list_of_another_cloud_adds_nothing() {
    let storage = tag("Storage", &["203.0.113.0/24"]);
    let china = ApiTags {
        cloud: Cloud::China,
        ..read(&[page(&[storage], None)]).unwrap()
    };
    assert_eq!(snapshot().with_added(&china), snapshot());
}
