use serde_json::{Value, json};

use super::*;
use crate::config::{Protect, REGISTRY_TAG, STORAGE_TAG};
use crate::file::make_fifo;

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
fn a_tag_stands_for_itself_and_its_regions_and_nothing_else() {
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
fn a_region_of_registries_is_named_after_its_tag() {
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
fn the_order_of_the_keys_and_escapes_do_not_matter() {
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
fn a_file_cut_short_anywhere_is_refused() {
    let whole = file(&tags()).to_string();
    for end in 0..whole.len() {
        let error = import(
            &whole.as_bytes()[..end],
            Path::new("x.json"),
            Cloud::Public,
            &wanted(),
        )
        .unwrap_err();
        assert!(
            matches!(error, TagError::Malformed { .. }),
            "{end}: {error}"
        );
    }
    let error = import(b"<html>", Path::new("x.json"), Cloud::Public, &wanted())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("x.json: not a whole service-tags file: line 1, `<html>`, is not JSON")
            && error.ends_with("download it again"),
        "{error}"
    );
}

#[test]
fn a_file_of_another_shape_is_refused() {
    for key in ["changeNumber", "cloud", "values"] {
        let mut file = file(&tags());
        file.as_object_mut().unwrap().remove(key);
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    let mut file = file(&tags());
    file["changeNumber"] = json!("7");
    assert!(matches!(read(&file), Err(TagError::ListOfApi { .. })));
    file["changeNumber"] = json!([]);
    assert!(matches!(read(&file), Err(TagError::Malformed { .. })));
    file["changeNumber"] = json!(7);
    file["values"][0]["properties"]
        .as_object_mut()
        .unwrap()
        .remove("addressPrefixes");
    assert!(matches!(read(&file), Err(TagError::Malformed { .. })));
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
fn the_list_of_the_discovery_api_is_named_with_the_command_that_gives_the_file() {
    let mut list = file(&tags());
    list["changeNumber"] = json!("401");
    list["nextLink"] = json!(null);
    for tag in list["values"].as_array_mut().unwrap() {
        tag["properties"]["changeNumber"] = json!("10");
    }
    let of_powershell = json!({"Name": "Public", "ChangeNumber": "401", "Cloud": "Public", "Values": [{"Name": "Storage"}]});
    for list in [list, of_powershell] {
        let text = serde_json::to_string_pretty(&list).unwrap();
        let path = Path::new("tags.json");
        let error = import(text.as_bytes(), path, Cloud::UsGovernment, &wanted()).unwrap_err();
        let error = error.to_string();
        for words in [
            "tags.json: is what `az network list-service-tags` prints",
            "curl -sL 'https://www.microsoft.com/en-us/download/details.aspx?id=57063'",
            "curl -fo 'tags.json'",
            "protect.service-tags-subscription",
        ] {
            assert!(error.contains(words), "no {words:?} in {error}");
        }
    }
}

#[test]
fn a_file_of_another_cloud_is_refused() {
    let mut file = file(&tags());
    file["cloud"] = json!("China");
    let error = read(&file).unwrap_err().to_string();
    assert!(
        error.contains("is for the cloud \"China\", not \"Public\""),
        "{error}"
    );
}

#[test]
fn a_wanted_tag_that_is_missing_or_empty_is_refused() {
    for index in [0, 3] {
        let mut tags = tags();
        tags.remove(index);
        assert!(
            matches!(read(&file(&tags)), Err(TagError::Missing { .. })),
            "{index}"
        );
    }
    let mut tags = tags();
    tags[3] = tag("AzureContainerRegistry", &[]);
    assert!(matches!(read(&file(&tags)), Err(TagError::Empty { .. })));
}

#[test]
fn an_invalid_prefix_is_named_with_its_tag() {
    for (prefix, problem) in [
        ("192.0.2.1/24", "has bits set after its length"),
        ("192.0.2.0/33", "is longer than an address"),
        ("192.0.2.0/x", "has a length that is no number"),
        ("192.0.2.0", "has no length"),
        ("example.com/24", "is not an address"),
        ("", "has no length"),
    ] {
        let mut tags = tags();
        tags[1] = tag("Storage.EastUS", &["192.0.2.64/26", prefix]);
        let error = read(&file(&tags)).unwrap_err().to_string();
        assert!(
            error.contains(&format!(
                "tag \"Storage.EastUS\" has \"{prefix}\", which {problem}"
            )),
            "{error}"
        );
    }
}

#[test]
fn a_prefix_that_would_take_a_large_part_of_the_internet_is_refused() {
    for (prefix, is_absurd) in [
        ("2.0.0.0/7", true),
        ("3.0.0.0/8", false),
        ("2000::/19", true),
        ("2000::/20", false),
    ] {
        let mut tags = tags();
        tags[0] = tag("Storage", &["192.0.2.0/24", "2001:db8::/32", prefix]);
        let result = read(&file(&tags));
        assert_eq!(
            matches!(result, Err(TagError::AbsurdPrefix { .. })),
            is_absurd,
            "{prefix}"
        );
        assert_eq!(result.is_err(), is_absurd, "{prefix}");
    }
}

#[test]
fn a_regional_prefix_that_the_global_tag_lacks_is_refused() {
    let mut tags = tags();
    tags[1] = tag("Storage.EastUS", &["192.0.2.64/26", "203.0.113.0/24"]);
    let error = read(&file(&tags)).unwrap_err().to_string();
    assert!(
        error.contains("tag \"Storage.EastUS\" has 203.0.113.0/24, which \"Storage\" lacks"),
        "{error}"
    );
}

#[test]
fn an_address_of_registries_and_of_storage_is_refused() {
    let mut tags = tags();
    tags[3] = tag(
        "AzureContainerRegistry",
        &["192.0.2.32/28", "198.51.100.0/24"],
    );
    let error = read(&file(&tags)).unwrap_err().to_string();
    assert!(
        error.contains("192.0.2.32/28 is in \"AzureContainerRegistry\" and in \"Storage\""),
        "{error}"
    );
}

#[test]
fn a_file_that_is_missing_none_or_too_large_is_an_error() {
    let large = tempfile::NamedTempFile::new().unwrap();
    large.as_file().set_len(MAX_FILE + 1).unwrap();
    let read = |path: &Path| import_file(path, Cloud::Public, &wanted());
    assert!(matches!(read(large.path()), Err(TagError::TooLarge { .. })));
    let directory = tempfile::tempdir().unwrap();
    let (missing, fifo) = (directory.path().join("none"), directory.path().join("fifo"));
    make_fifo(&fifo);
    for path in [&missing, &fifo] {
        assert!(matches!(read(path), Err(TagError::Unreadable { .. })));
    }
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
fn a_file_under_the_manuals_own_name_is_as_old_as_its_content() {
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
fn the_age_counts_from_the_day_of_publication() {
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
fn the_configured_file_stands_in_for_the_bundle() {
    let whole = crate::azure::snapshot(&Protect::default()).unwrap();
    assert_eq!(whole.origin, TagOrigin::Bundle);
    let unknown = Protect {
        tags: vec!["Sql".to_owned()],
        ..Protect::default()
    };
    let error = crate::azure::snapshot(&unknown).unwrap_err().to_string();
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
    let snapshot = crate::azure::snapshot(&protect).unwrap();
    let names: Vec<&str> = snapshot.families.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["AzureContainerRegistry", "Storage", "Storage.EastUS"]
    );
}
