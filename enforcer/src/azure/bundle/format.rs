//! The text format of bundled and saved service tags.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use jiff::civil::Date;

use crate::azure::prefixes::PrefixSet;
use crate::azure::tags::error::TagError;
use crate::azure::tags::snapshot::{TagOrigin, TagSnapshot};
use crate::config::{Cloud, REGISTRY_TAG};

pub(super) const fn text(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Public => include_str!("../../../bundle/public.tags"),
        Cloud::UsGovernment => include_str!("../../../bundle/us-government.tags"),
        Cloud::China => include_str!("../../../bundle/china.tags"),
    }
}

pub(super) fn parse(text: &str, cloud: Cloud) -> Result<TagSnapshot, TagError> {
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
pub(super) struct Contents<'t> {
    cloud: Option<Cloud>,
    pub(super) change_number: Option<u32>,
    pub(super) date: Option<Date>,
    pub(super) file: Option<&'t str>,
    pub(super) is_subset: bool,
    pub(super) is_lower_bound: bool,
    tag: Option<&'t str>,
    prefixes: BTreeMap<&'t str, Vec<IpNet>>,
    regions: BTreeMap<&'t str, Vec<IpNet>>,
}

impl<'t> Contents<'t> {
    pub(super) fn read(&mut self, line: &'t str) -> Result<(), &'static str> {
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
            (Some(_), Some(_)) | (None, None) => Err("neither a header, a tag nor a prefix"),
        }
    }

    fn read_header(&mut self, key: &str, value: &'t str) -> Result<(), &'static str> {
        match key {
            "cloud" => {
                self.cloud = Some(Cloud::from_service_tags_name(value).ok_or("not a cloud")?)
            }
            "change-number" => {
                self.change_number = Some(value.parse().or(Err("not a change number"))?)
            }
            "file" => self.file = Some(value),
            "file-tags" => self.is_subset = one_of(value, ["all", "these"])?,
            "change-number-is" => {
                self.is_lower_bound = one_of(value, ["exact", "lower-bound"])?;
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

    /// Returns `None` where the header is incomplete or no tag follows it.
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

/// Whether `value` is the second of two words.
fn one_of(value: &str, words: [&str; 2]) -> Result<bool, &'static str> {
    match words.iter().position(|word| *word == value) {
        Some(at) => Ok(at == 1),
        None => Err("unknown value of a header"),
    }
}

fn sets(named: BTreeMap<&str, Vec<IpNet>>) -> BTreeMap<String, PrefixSet> {
    let named = named.into_iter();
    let set =
        |(name, prefixes): (&str, Vec<IpNet>)| (name.to_owned(), prefixes.into_iter().collect());
    named.map(set).collect()
}

/// Writes `snapshot`, with further header lines.
pub(super) fn lines(snapshot: &TagSnapshot, header: Vec<String>) -> String {
    let mut lines = vec![
        format!("cloud {}", snapshot.cloud.service_tags_name()),
        format!("change-number {}", snapshot.change_number),
    ];
    lines.extend(snapshot.date.map(|date| format!("date {date}")));
    lines.extend(header);
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

/// Returns a line for each prefix of a region, and one for each of `all` that is no region's.
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
