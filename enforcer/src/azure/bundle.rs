//! The service tags in the binary, so that a device is protected before it ever had a network.
//!
//! Text: a header (`cloud`, `change-number`, `date`), then `tag NAME` and its aggregated prefixes, one a line and
//! sorted, so that an update reads well as a diff. A registry prefix of one region has that region behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ipnet::IpNet;

use super::PrefixSet;
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
        if tag == REGISTRY_TAG {
            lines.extend(with_regions(prefixes, &snapshot.registry_regions));
        } else {
            lines.extend(prefixes.iter().map(|prefix| prefix.to_string()));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// One line for each prefix of a region, and one for each of `all` that is not just that.
fn with_regions(all: &PrefixSet, regions: &BTreeMap<String, PrefixSet>) -> Vec<String> {
    let regional = regions.iter().flat_map(|(region, prefixes)| {
        prefixes.iter().map(move |prefix| (prefix, region.as_str()))
    });
    let mut lines: BTreeSet<(IpNet, &str)> = regional.collect();
    let regional: BTreeSet<IpNet> = lines.iter().map(|(prefix, _)| *prefix).collect();
    let elsewhere = all.iter().filter(|prefix| !regional.contains(prefix));
    lines.extend(elsewhere.map(|prefix| (prefix, "")));
    let line = |(prefix, region)| format!("{prefix} {region}").trim_end().to_owned();
    lines.into_iter().map(line).collect()
}

const fn text(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Public => include_str!("../../bundle/public.tags"),
        Cloud::UsGovernment => include_str!("../../bundle/us-government.tags"),
        Cloud::China => include_str!("../../bundle/china.tags"),
    }
}

fn parse(text: &str, cloud: Cloud) -> Result<TagSnapshot, TagError> {
    let damaged = |line, problem| TagError::Bundle {
        cloud,
        line,
        problem,
    };
    let mut contents = Contents::default();
    for (number, line) in (1..).zip(text.lines()) {
        let read = contents.read(line);
        read.map_err(|problem| damaged(number, problem))?;
    }
    let snapshot = contents.into_snapshot(cloud);
    snapshot.ok_or_else(|| damaged(1, "the header is not complete"))
}

#[derive(Default)]
struct Contents<'t> {
    cloud: Option<Cloud>,
    change_number: Option<u32>,
    date: Option<jiff::civil::Date>,
    tag: Option<&'t str>,
    prefixes: BTreeMap<&'t str, Vec<IpNet>>,
    regions: BTreeMap<&'t str, Vec<IpNet>>,
}

impl<'t> Contents<'t> {
    fn read(&mut self, line: &'t str) -> Result<(), &'static str> {
        match (line.split_once(' '), self.tag) {
            (Some(("tag", name)), _) => {
                self.tag = Some(name);
                self.prefixes.insert(name, Vec::new());
                Ok(())
            }
            (Some((key, value)), None) => self.read_header(key, value),
            (Some((prefix, region)), Some(REGISTRY_TAG)) => {
                let prefix = self.read_prefix(REGISTRY_TAG, prefix)?;
                self.regions.entry(region).or_default().push(prefix);
                Ok(())
            }
            (None, Some(tag)) => self.read_prefix(tag, line).map(|_| ()),
            (Some(_), Some(_)) | (None, None) => Err("neither header, tag nor prefix"),
        }
    }

    fn read_header(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
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

    fn read_prefix(&mut self, tag: &'t str, text: &str) -> Result<IpNet, &'static str> {
        let prefix = text.parse().or(Err("not a prefix"))?;
        self.prefixes.entry(tag).or_default().push(prefix);
        Ok(prefix)
    }

    /// `None` where the header is not complete or no tag follows it.
    fn into_snapshot(self, cloud: Cloud) -> Option<TagSnapshot> {
        if self.cloud != Some(cloud) || self.prefixes.is_empty() {
            return None;
        }
        Some(TagSnapshot {
            cloud,
            change_number: self.change_number?,
            date: self.date,
            origin: TagOrigin::Bundle,
            added: None,
            families: sets(self.prefixes),
            registry_regions: sets(self.regions),
        })
    }
}

fn sets(named: BTreeMap<&str, Vec<IpNet>>) -> BTreeMap<String, PrefixSet> {
    let named = named.into_iter();
    let set =
        |(name, prefixes): (&str, Vec<IpNet>)| (name.to_owned(), prefixes.into_iter().collect());
    named.map(set).collect()
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
    fn every_bundle_knows_the_regions_of_registries() {
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
    fn regions_that_share_or_split_a_prefix_read_back_the_same() {
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
}
