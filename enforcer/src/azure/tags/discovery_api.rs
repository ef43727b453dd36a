//! Tags from the Service Tag Discovery API, which lags behind the published file. They may only add prefixes to it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::content_check::{TagFamily, registries_are_apart_from_storage};
use super::error::TagError;
use super::published_file::{Published, PublishedTag, is_of_family};
use super::snapshot::{AddedTags, TagOrigin, TagSnapshot};
use crate::azure::json_problem::fault;
use crate::azure::prefixes::PrefixSet;
use crate::config::{Cloud, REGISTRY_TAG, STORAGE_TAG};
use crate::file::utf8;

/// Some tags from the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTags {
    /// Their cloud.
    pub cloud: Cloud,
    /// The change number of the list, which is that of the corresponding published file.
    pub change_number: u32,
    /// By tag name, the union of its prefixes and those of its regional tags. Tags that the list lacks are missing.
    pub families: BTreeMap<String, PrefixSet>,
    /// By region as written in data endpoint names, the prefixes of its registries.
    pub registry_regions: BTreeMap<String, PrefixSet>,
}

impl ApiTags {
    /// Returns the union with an earlier answer: a later answer can be an older or shorter list, and removes nothing.
    #[must_use]
    pub fn and(mut self, before: &Self) -> Self {
        if before.cloud != self.cloud {
            return self;
        }
        unite(&mut self.families, &before.families);
        unite(&mut self.registry_regions, &before.registry_regions);
        self.change_number = self.change_number.max(before.change_number);
        self
    }

    /// Converts to a snapshot, to be saved as one.
    pub fn to_snapshot(&self) -> TagSnapshot {
        TagSnapshot {
            cloud: self.cloud,
            change_number: self.change_number,
            date: None,
            origin: TagOrigin::Kept,
            families: self.families.clone(),
            registry_regions: self.registry_regions.clone(),
            added: None,
        }
    }
}

impl From<TagSnapshot> for ApiTags {
    fn from(kept: TagSnapshot) -> Self {
        Self {
            cloud: kept.cloud,
            change_number: kept.change_number,
            families: kept.families,
            registry_regions: kept.registry_regions,
        }
    }
}

/// Reads the pages of a list.
pub(in crate::azure) struct ApiTagsReader<'w> {
    cloud: Cloud,
    wanted: &'w [String],
    source: PathBuf,
    change_number: Option<u32>,
    tags: Vec<PublishedTag<'static>>,
}

impl<'w> ApiTagsReader<'w> {
    /// Creates a reader of the tags `wanted` of `cloud`; `source` appears in errors.
    pub(in crate::azure) fn new(cloud: Cloud, wanted: &'w [String], source: &Path) -> Self {
        Self {
            cloud,
            wanted,
            source: source.to_owned(),
            change_number: None,
            tags: Vec::new(),
        }
    }

    /// Reads one page, and returns the URL of the next, if any.
    pub(in crate::azure) fn page(&mut self, bytes: &[u8]) -> Result<Option<String>, TagError> {
        let malformed = |problem| TagError::Malformed {
            file: self.source.clone(),
            problem,
        };
        let bytes = utf8(bytes);
        let page = Published::<String>::parse(&bytes, self.wanted)
            .map_err(|error| malformed(fault(&error)))?;
        let number: Result<u32, _> = page.change_number.parse();
        let number = number.map_err(|error| malformed(format!("changeNumber: {error}")))?;
        if !page
            .cloud
            .eq_ignore_ascii_case(self.cloud.service_tags_name())
        {
            return Err(TagError::OtherCloud {
                file: self.source.clone(),
                found: page.cloud.into_owned(),
                expected: self.cloud,
            });
        }
        self.change_number = Some(self.change_number.unwrap_or(number).min(number));
        self.tags
            .extend(page.tags.into_iter().map(PublishedTag::into_owned));
        let next = page.next_link.map(|link| link.into_owned());
        Ok(next.filter(|link| !link.is_empty()))
    }

    /// Combines all pages, and checks the tags that are present like those of a published file.
    pub(in crate::azure) fn finish(self) -> Result<ApiTags, TagError> {
        let mut families = BTreeMap::new();
        let mut registry_regions = BTreeMap::new();
        for name in self.wanted {
            let family = TagFamily::gather(name, &self.tags, &self.source)?;
            if name == REGISTRY_TAG {
                registry_regions = family.by_region();
            }
            if !family.is_absent() {
                families.insert(name.clone(), family.into_checked_union(&self.source)?);
            }
        }
        let missing = || TagError::Missing {
            source_name: self.source.display().to_string(),
            tag: self.wanted.first().cloned().unwrap_or_default(),
        };
        if families.is_empty() {
            return Err(missing());
        }
        registries_are_apart_from_storage(&families, &self.source)?;
        Ok(ApiTags {
            cloud: self.cloud,
            change_number: self.change_number.ok_or_else(missing)?,
            families,
            registry_regions,
        })
    }
}

impl TagSnapshot {
    /// Returns these tags with the prefixes that `more` adds. Nothing is removed, and tags that are missing here are not added. A prefix that
    /// registries and storage would share is not added, nor is anything of another cloud.
    #[must_use]
    pub fn with_added(&self, more: &ApiTags) -> Self {
        let mut whole = self.clone();
        if more.cloud != self.cloud {
            return whole;
        }
        let mut added = AddedTags {
            change_number: more.change_number,
            families: BTreeMap::new(),
            left_out: Vec::new(),
        };
        // Storage first: where the list assigns a prefix to both, it stays with storage and is denied.
        let is_registry = |name: &String| is_of_family(name, REGISTRY_TAG);
        let (last, first) = self
            .families
            .keys()
            .partition::<Vec<_>, _>(|name| is_registry(name));
        for name in first.into_iter().chain(last) {
            if let Some(new) = more.families.get(name) {
                whole.add(name, new, &mut added);
            }
        }
        let registries = whole
            .families
            .get(REGISTRY_TAG)
            .cloned()
            .unwrap_or_default();
        let known = |(region, set): (&String, &PrefixSet)| {
            let set: PrefixSet = set
                .iter()
                .filter(|prefix| registries.covers(*prefix))
                .collect();
            (!set.is_empty()).then(|| (region.clone(), set))
        };
        let regions = more.registry_regions.iter().filter_map(known).collect();
        unite(&mut whole.registry_regions, &regions);
        whole.added = Some(added);
        whole
    }

    /// Adds to the tag `name` the prefixes of `new` that it does not cover and that the other service does not have.
    fn add(&mut self, name: &str, new: &PrefixSet, added: &mut AddedTags) {
        let Some(known) = self.families.get(name) else {
            return;
        };
        let foreign = foreign(&self.families, name);
        let lacking = new.iter().filter(|prefix| !known.covers(*prefix));
        let (left_out, lacking): (Vec<IpNet>, Vec<IpNet>) =
            lacking.partition(|prefix| foreign.intersects(&PrefixSet::from_iter([*prefix])));
        added.left_out.extend(left_out);
        if !lacking.is_empty() {
            let lacking: PrefixSet = lacking.into_iter().collect();
            let whole = known.union(&lacking);
            self.families.insert(name.to_owned(), whole);
            added.families.insert(name.to_owned(), lacking);
        }
    }
}

/// Returns the addresses that a tag must not have: those of storage for registries, and vice versa.
fn foreign(families: &BTreeMap<String, PrefixSet>, name: &str) -> PrefixSet {
    let other = if is_of_family(name, REGISTRY_TAG) {
        STORAGE_TAG
    } else if is_of_family(name, STORAGE_TAG) {
        REGISTRY_TAG
    } else {
        return PrefixSet::default();
    };
    let others = families
        .iter()
        .filter(|(name, _)| is_of_family(name, other));
    others.flat_map(|(_, set)| set.iter()).collect()
}

fn unite(sets: &mut BTreeMap<String, PrefixSet>, more: &BTreeMap<String, PrefixSet>) {
    for (name, more) in more {
        let set = sets.entry(name.clone()).or_default();
        *set = set.union(more);
    }
}
