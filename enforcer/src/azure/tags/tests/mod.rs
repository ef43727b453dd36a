//! Importing service-tags files.

mod published_files;
mod refused_files;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::config::{Cloud, Protect, REGISTRY_TAG, STORAGE_TAG};

fn wanted() -> [String; 2] {
    [STORAGE_TAG, REGISTRY_TAG].map(str::to_owned)
}

fn tag(name: &str, prefixes: &[&str]) -> Value {
    json!({
        "name": name, "id": name, "later": {"deep": [1, {"x": null}]},
        "properties": {"changeNumber": 1, "region": "", "platform": "Azure", "systemService": "",
            "addressPrefixes": prefixes, "networkFeatures": null}
    })
}

/// A small file: storage in documentation prefixes with one region, and a registry tag.
fn tags() -> Vec<Value> {
    vec![
        tag(
            "Storage",
            &["192.0.2.0/25", "192.0.2.128/25", "2001:db8::/32"],
        ),
        tag("Storage.EastUS", &["192.0.2.64/26", "2001:db8:7::/48"]),
        tag("StorageSyncService", &["203.0.113.0/24"]),
        tag("AzureContainerRegistry", &["198.51.100.0/24"]),
    ]
}

fn file(values: &[Value]) -> Value {
    json!({"changeNumber": 7, "cloud": "Public", "values": values})
}

fn read(file: &Value) -> Result<TagSnapshot, TagError> {
    import(
        file.to_string().as_bytes(),
        Path::new("ServiceTags_Public_20260105.json"),
        Cloud::Public,
        &wanted(),
    )
}

#[test]
fn a_tag_includes_its_regional_tags_and_no_others() {
    let snapshot = read(&file(&tags())).unwrap();
    assert_eq!((snapshot.cloud, snapshot.change_number), (Cloud::Public, 7));
    let by_number = Some(jiff::civil::date(2018, 2, 23));
    assert_eq!(snapshot.date, by_number, "not by its name");
    let storage = snapshot.family(STORAGE_TAG).unwrap();
    let text: Vec<String> = storage.iter().map(|prefix| prefix.to_string()).collect();
    assert_eq!(text, ["192.0.2.0/24", "2001:db8::/32"]);
    assert!(matches!(
        snapshot.family("Sql"),
        Err(TagError::Missing { .. })
    ));
}

#[test]
fn a_region_of_registries_has_the_name_in_its_tag() {
    let mut tags = tags();
    tags[3] = tag("AzureContainerRegistry", &["198.51.100.0/24"]);
    for (region, prefixes) in [
        ("EastUS", "198.51.100.0/26"),
        ("FranceCentral", "198.51.100.64/26"),
    ] {
        tags.push(tag(
            &format!("AzureContainerRegistry.{region}"),
            &[prefixes],
        ));
    }
    let regions = read(&file(&tags)).unwrap().registry_regions;
    let names: Vec<&str> = regions.keys().map(String::as_str).collect();
    assert_eq!(names, ["eastus", "francecentral"]);
    assert!(regions["francecentral"].contains("198.51.100.64".parse().unwrap()));
    assert!(!regions["francecentral"].contains("198.51.100.1".parse().unwrap()));
}

#[test]
fn the_order_of_keys_and_escapes_do_not_matter() {
    let text = r#"{"values":[
        {"properties":{"addressPrefixes":["192.0.2.0\/24"]},"name":"St\u006frage"},
        {"properties":{"addressPrefixes":["10.0.0.0/1"]},"name":"Other"},
        {"properties":{"addressPrefixes":["198.51.100.0/24"]},"name":"AzureContainerRegistry"}],
        "cloud":"Pub\u006cic","new":[],"changeNumber":7}"#;
    let snapshot = import(
        text.as_bytes(),
        Path::new("x.json"),
        Cloud::Public,
        &wanted(),
    )
    .unwrap();
    assert_eq!(snapshot.family(STORAGE_TAG).unwrap().v4_addresses(), 256);
    let marked = format!("\u{feff}{text}");
    assert!(
        import(
            marked.as_bytes(),
            Path::new("x.json"),
            Cloud::Public,
            &wanted()
        )
        .is_ok()
    );
}

#[test]
fn utf_16_is_read() {
    let text = format!("\u{feff}{}", file(&tags()));
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let path = Path::new("x.json");
    let snapshot = import(&little, path, Cloud::Public, &wanted()).unwrap();
    assert_eq!(snapshot.change_number, 7);
    assert!(import(&little[..little.len() - 1], path, Cloud::Public, &wanted()).is_err());
}

#[test]
fn an_older_file_is_refused() {
    let current = read(&file(&tags())).unwrap();
    let with = |change_number| TagSnapshot {
        change_number,
        ..current.clone()
    };
    assert!(check_not_older(&current, &with(8)).is_ok());
    assert!(check_not_older(&current, &with(7)).is_ok());
    let error = check_not_older(&current, &with(6)).unwrap_err();
    assert!(matches!(error, TagError::Older { current: 7, new: 6 }));
    assert!(error.to_string().contains("tags import FILE --force"));
}

#[test]
fn the_date_of_a_file_follows_from_its_content() {
    let directory = tempfile::tempdir().unwrap();
    for name in [
        "ServiceTags_Public.json",
        "ServiceTags_Public_20261123.json",
    ] {
        let path = directory.path().join(name);
        let mut file = file(&tags());
        file["changeNumber"] = json!(305);
        std::fs::write(&path, file.to_string()).unwrap();
        let snapshot = import_file(&path, Cloud::Public, &wanted()).unwrap();
        assert_eq!(snapshot.date, Some(jiff::civil::date(2024, 5, 6)), "{name}");
    }
}

#[test]
fn the_age_is_counted_from_the_day_of_publication() {
    let snapshot = TagSnapshot {
        date: Some(jiff::civil::date(2026, 1, 5)),
        ..read(&file(&tags())).unwrap()
    };
    let age = |now: &str| snapshot.age(now.parse().unwrap());
    assert_eq!(
        age("2026-01-06T01:00:00Z"),
        Some(Duration::from_secs(25 * 3600))
    );
    assert_eq!(age("1970-01-01T00:00:00Z"), None);
    assert_eq!(
        TagSnapshot {
            date: None,
            ..snapshot
        }
        .age(Timestamp::MAX),
        None
    );
    let date = |name: &str| date_in_file_name(Path::new(name));
    assert_eq!(date("/x/20250101/ServiceTags_Public.json"), None);
    assert_eq!(date("ServiceTags_Public_20251399.json"), None);
    assert_eq!(date("ServiceTags_Public_202510280.json"), None);
}

#[test]
fn the_configured_file_replaces_the_bundle() {
    let whole = configured_tags(&Protect::default()).unwrap();
    assert_eq!(whole.origin, TagOrigin::Bundle);
    let unknown = Protect {
        tags: vec!["Sql".to_owned()],
        ..Protect::default()
    };
    let error = configured_tags(&unknown).unwrap_err().to_string();
    assert!(
        error.starts_with("the bundle in the binary: has no tag \"Sql\""),
        "{error}"
    );
    let published = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(published.path(), file(&tags()).to_string()).unwrap();
    let service_tags = Some(published.path().to_owned());
    let protect = Protect {
        tags: vec!["Storage.EastUS".to_owned()],
        service_tags,
        ..Protect::default()
    };
    let snapshot = configured_tags(&protect).unwrap();
    let names: Vec<&str> = snapshot.families.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["AzureContainerRegistry", "Storage", "Storage.EastUS"]
    );
}
