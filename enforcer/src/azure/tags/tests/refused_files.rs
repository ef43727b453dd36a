//! Files that are refused, and why.

use super::*;
use crate::file::make_fifo;

#[test]
fn a_file_truncated_anywhere_is_refused() {
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
        error
            .starts_with("x.json: not a complete service-tags file: line 1, `<html>`, is not JSON")
            && error.ends_with("download it again"),
        "{error}"
    );
}

#[test]
fn a_file_with_another_structure_is_refused() {
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
fn the_list_of_the_discovery_api_is_refused_with_the_command_for_the_file() {
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
            "tags.json: is the output of `az network list-service-tags`",
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
fn a_required_tag_that_is_missing_or_empty_is_refused() {
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
fn an_invalid_prefix_is_reported_with_its_tag() {
    for (prefix, problem) in [
        ("192.0.2.1/24", "has bits set after its length"),
        ("192.0.2.0/33", "is longer than an address"),
        ("192.0.2.0/x", "has a length that is not a number"),
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
fn a_prefix_of_a_large_part_of_the_internet_is_refused() {
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
fn a_missing_special_or_too_large_file_is_an_error() {
    let large = tempfile::NamedTempFile::new().unwrap();
    large.as_file().set_len(import::MAX_FILE + 1).unwrap();
    let read = |path: &Path| import_file(path, Cloud::Public, &wanted());
    assert!(matches!(read(large.path()), Err(TagError::TooLarge { .. })));
    let directory = tempfile::tempdir().unwrap();
    let (missing, fifo) = (directory.path().join("none"), directory.path().join("fifo"));
    make_fifo(&fifo);
    for path in [&missing, &fifo] {
        assert!(matches!(read(path), Err(TagError::Unreadable { .. })));
    }
}
