//! The service tags in the binary, so that a device is protected before it ever had a network.
//!
//! Text: a header (`cloud`, `change-number`, `date`), then `tag NAME` and its aggregated prefixes, one a line and
//! sorted, so that an update reads well as a diff.

use std::collections::BTreeMap;
use std::path::Path;

use ipnet::IpNet;

use super::tags::{TagError, TagOrigin, TagSnapshot, import_file};
use crate::config::{Cloud, REGISTRY_TAG, STORAGE_TAG};

/// The bundle of `cloud`.
pub fn load(cloud: Cloud) -> Result<TagSnapshot, TagError> {
    parse(text(cloud), cloud)
}

/// The service tags of `cloud` that an earlier run exported as `text`.
pub fn kept(text: &str, cloud: Cloud) -> Result<TagSnapshot, TagError> {
    let tags = parse(text, cloud)?;
    Ok(TagSnapshot {
        origin: TagOrigin::Kept,
        ..tags
    })
}

/// The bundle's text for the published file at `file`.
pub fn generate(file: &Path, cloud: Cloud) -> Result<String, TagError> {
    let wanted = [STORAGE_TAG, REGISTRY_TAG].map(str::to_owned);
    import_file(file, cloud, &wanted).map(|snapshot| export(&snapshot))
}

/// `snapshot` as a bundle's text.
pub fn export(snapshot: &TagSnapshot) -> String {
    let mut lines = vec![
        format!("cloud {}", snapshot.cloud.service_tags_name()),
        format!("change-number {}", snapshot.change_number),
    ];
    lines.extend(snapshot.date.map(|date| format!("date {date}")));
    for (tag, prefixes) in &snapshot.families {
        lines.push(format!("tag {tag}"));
        lines.extend(prefixes.iter().map(|prefix| prefix.to_string()));
    }
    lines.push(String::new());
    lines.join("\n")
}

const fn text(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Public => include_str!("../../bundle/public.tags"),
        Cloud::UsGovernment => include_str!("../../bundle/us-government.tags"),
        Cloud::China => include_str!("../../bundle/china.tags"),
    }
}

fn parse(text: &str, cloud: Cloud) -> Result<TagSnapshot, TagError> {
    let mut header = Header::default();
    let mut prefixes: BTreeMap<&str, Vec<IpNet>> = BTreeMap::new();
    let mut tag = None;
    for (index, line) in text.lines().enumerate() {
        let damaged = |problem| TagError::Bundle {
            cloud,
            line: index + 1,
            problem,
        };
        match (line.split_once(' '), tag) {
            (Some(("tag", name)), _) => {
                tag = Some(name);
                prefixes.insert(name, Vec::new());
            }
            (Some((key, value)), None) => header.read(key, value).map_err(damaged)?,
            (None, Some(tag)) => {
                let prefix = line.parse().or(Err(damaged("not a prefix")))?;
                prefixes.entry(tag).or_default().push(prefix);
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(damaged("neither header, tag nor prefix"));
            }
        }
    }
    let incomplete = || TagError::Bundle {
        cloud,
        line: 1,
        problem: "the header is not complete",
    };
    if header.cloud != Some(cloud) || prefixes.is_empty() {
        return Err(incomplete());
    }
    let families = prefixes
        .into_iter()
        .map(|(tag, prefixes)| (tag.to_owned(), prefixes.into_iter().collect()));
    Ok(TagSnapshot {
        cloud,
        change_number: header.change_number.ok_or_else(incomplete)?,
        date: header.date,
        origin: TagOrigin::Bundle,
        families: families.collect(),
    })
}

#[derive(Default)]
struct Header {
    cloud: Option<Cloud>,
    change_number: Option<u32>,
    date: Option<jiff::civil::Date>,
}

impl Header {
    fn read(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        match key {
            "cloud" => {
                self.cloud = Some(Cloud::from_service_tags_name(value).ok_or("not a cloud")?)
            }
            "change-number" => {
                self.change_number = Some(value.parse().or(Err("not a change number"))?)
            }
            "date" => self.date = Some(value.parse().or(Err("not a date"))?),
            _ => return Err("unknown header"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn what_is_exported_reads_back_the_same() {
        for cloud in Cloud::ALL {
            assert_eq!(export(&load(cloud).unwrap()), text(cloud));
        }
    }

    #[test]
    fn the_committed_bundles_are_what_the_published_files_give() {
        for (cloud, file) in test_data::NEWEST {
            let Some(path) = test_data::service_tags(file) else {
                return;
            };
            assert_eq!(generate(&path, cloud).unwrap(), text(cloud), "{cloud}");
        }
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
        ] {
            let error = parse(&whole.replace(from, to), Cloud::Public).unwrap_err();
            assert!(
                matches!(error, TagError::Bundle { line, .. } if line == at),
                "{to}: {error}"
            );
        }
    }
}
