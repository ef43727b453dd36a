//! The service tags in the binary, so that a device is protected before it ever had a network.
//!
//! Text: a header (`cloud`, `change-number`, `date`, and what it is made of), then `tag NAME` and its aggregated prefixes, one a line and
//! sorted, so that an update reads well as a diff. A registry prefix of one region has that region behind it.

mod header;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ipnet::IpNet;

pub use self::header::{BundleHeader, header};
use super::PrefixSet;
use super::json_problem::json_problem;
use super::tags::{
    TagError, TagOrigin, TagSnapshot, date_in_file_name, import, is_dated_before, published_on,
    read,
};
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
        date: published_on(cloud, tags.change_number, tags.date),
        ..tags
    })
}

/// The bundle's text for the published file at `file`, dated by its name. `is_lower_bound` says that the change number of the publication
/// may be higher than the file's.
pub fn generate(file: &Path, cloud: Cloud, is_lower_bound: bool) -> Result<String, TagError> {
    let wanted = [STORAGE_TAG, REGISTRY_TAG].map(str::to_owned);
    let bytes = read(file)?;
    let mut snapshot = import(&bytes, file, cloud, &wanted)?;
    snapshot.date = date_in_file_name(file).or(snapshot.date);
    let is_subset = header::is_subset(&bytes).map_err(|error| TagError::Malformed {
        file: file.to_owned(),
        problem: json_problem(&error, &bytes),
    })?;
    let header = header::header_lines(file, is_lower_bound, is_subset);
    Ok(lines(&snapshot, header))
}

/// Whether `tags` are older than the bundle of their cloud. A change number within what the bundle's may truly be decides by its day.
///
/// # Errors
/// Where the bundle is damaged.
pub fn is_newer_than(tags: &TagSnapshot) -> Result<bool, TagError> {
    let header = header(tags.cloud)?;
    if tags.change_number < header.change_number {
        return Ok(true);
    }
    if !header.is_lower_bound || !is_dated_before(tags.cloud, tags.change_number, header.date) {
        return Ok(false);
    }
    let bundle = load(tags.cloud)?;
    let mut families = bundle.families.iter();
    Ok(!families.all(|(name, set)| tags.families.get(name) == Some(set)))
}

/// The bundle in place of `tags`. Families that it lacks are kept from `tags`.
///
/// # Errors
/// Where the bundle is damaged.
pub fn in_place_of(tags: TagSnapshot) -> Result<TagSnapshot, TagError> {
    let mut bundle = load(tags.cloud)?;
    for (name, prefixes) in tags.families {
        bundle.families.entry(name).or_insert(prefixes);
    }
    Ok(bundle)
}

/// `snapshot` in the bundle's format.
pub fn export(snapshot: &TagSnapshot) -> String {
    lines(snapshot, Vec::new())
}

/// `snapshot` in the bundle's format, with further header lines.
fn lines(snapshot: &TagSnapshot, header: Vec<String>) -> String {
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
        Cloud::Public => include_str!("../../../bundle/public.tags"),
        Cloud::UsGovernment => include_str!("../../../bundle/us-government.tags"),
        Cloud::China => include_str!("../../../bundle/china.tags"),
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
    file: Option<&'t str>,
    is_subset: bool,
    is_lower_bound: bool,
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
