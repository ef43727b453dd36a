//! Tags from the Service Tag Discovery API, which lag behind the published file and may only add to it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::Error as _;

use super::check::{Family, registries_are_apart_from_storage};
use super::published::{Published, Tag};
use super::{PrefixSet, TagError, TagSnapshot};
use crate::config::{Cloud, REGISTRY_TAG};

/// What the API knows of some families of tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoreTags {
    /// The cloud that they are of.
    pub cloud: Cloud,
    /// The change number of the list, which is that of the file that it follows.
    pub change_number: u32,
    /// By tag name, its prefixes united with those of its regional tags. Families that the list lacks are missing here.
    pub families: BTreeMap<String, PrefixSet>,
    /// By region as it stands in data endpoint names, the prefixes of its registries.
    pub registry_regions: BTreeMap<String, PrefixSet>,
}

impl MoreTags {
    /// These and what the API said before: a later answer can be an older or a shorter list, and takes nothing away.
    #[must_use]
    pub fn and(mut self, before: &Self) -> Self {
        if before.cloud != self.cloud {
            return self;
        }
        for (name, known) in &before.families {
            let family = self.families.entry(name.clone()).or_default();
            *family = family.union(known);
        }
        self.change_number = self.change_number.max(before.change_number);
        self
    }
}

/// What a snapshot got from the API besides its own prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedTags {
    /// The change number of the API's list.
    pub change_number: u32,
    /// By tag name, the prefixes that the snapshot lacked, whole or in part.
    pub families: BTreeMap<String, PrefixSet>,
}

/// Puts the pages of a list together.
pub(in crate::azure) struct MoreTagsReader<'w> {
    cloud: Cloud,
    wanted: &'w [String],
    source: PathBuf,
    change_number: Option<u32>,
    tags: Vec<Tag<'static>>,
}

impl<'w> MoreTagsReader<'w> {
    /// Of `cloud`, the families `wanted`; `source` is named in errors.
    pub(in crate::azure) fn new(cloud: Cloud, wanted: &'w [String], source: &Path) -> Self {
        Self {
            cloud,
            wanted,
            source: source.to_owned(),
            change_number: None,
            tags: Vec::new(),
        }
    }

    /// Reads one page and returns the address of the next, when there is one.
    pub(in crate::azure) fn page(&mut self, bytes: &[u8]) -> Result<Option<String>, TagError> {
        let malformed = |source| TagError::Malformed {
            file: self.source.clone(),
            source,
        };
        let page = Published::<String>::parse(bytes, self.wanted).map_err(malformed)?;
        let number: Result<u32, _> = page.change_number.parse();
        let number = number.map_err(|error| {
            malformed(serde_json::Error::custom(format!("changeNumber: {error}")))
        })?;
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
        self.tags.extend(page.tags.into_iter().map(Tag::into_owned));
        let next = page.next_link.map(|link| link.into_owned());
        Ok(next.filter(|link| !link.is_empty()))
    }

    /// All pages together, with the checks of a published file for the families that are there.
    pub(in crate::azure) fn finish(self) -> Result<MoreTags, TagError> {
        let mut families = BTreeMap::new();
        let mut registry_regions = BTreeMap::new();
        for name in self.wanted {
            let family = Family::gather(name, &self.tags, &self.source)?;
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
        Ok(MoreTags {
            cloud: self.cloud,
            change_number: self.change_number.ok_or_else(missing)?,
            families,
            registry_regions,
        })
    }
}

impl TagSnapshot {
    /// These tags and what `more` adds to them: nothing is taken away, and families that are not here stay out. `source` is named
    /// in errors.
    ///
    /// # Errors
    /// When registries and storage would share an address, or `more` is of another cloud; then nothing of it is taken.
    pub fn with_added(&self, more: &MoreTags, source: &str) -> Result<Self, TagError> {
        let file = PathBuf::from(source);
        if more.cloud != self.cloud {
            return Err(TagError::OtherCloud {
                file,
                found: more.cloud.service_tags_name().to_owned(),
                expected: self.cloud,
            });
        }
        let mut whole = self.clone();
        let mut added = BTreeMap::new();
        for (name, known) in &mut whole.families {
            let Some(new) = more.families.get(name) else {
                continue;
            };
            let lacking: PrefixSet = new.iter().filter(|prefix| !known.covers(*prefix)).collect();
            if !lacking.is_empty() {
                *known = known.union(&lacking);
                added.insert(name.clone(), lacking);
            }
        }
        registries_are_apart_from_storage(&whole.families, &file)?;
        for (region, prefixes) in &more.registry_regions {
            let known = whole.registry_regions.entry(region.clone()).or_default();
            *known = known.union(prefixes);
        }
        whole.added = Some(AddedTags {
            change_number: more.change_number,
            families: added,
        });
        Ok(whole)
    }
}
