//! Checks of a published file's content before any of it is used.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use super::error::TagError;
use super::published_file::{PublishedTag, is_of_family};
use crate::azure::prefixes::PrefixSet;
use crate::config::{REGISTRY_TAG, STORAGE_TAG};

/// The shortest accepted IPv4 prefix; the shortest published up to 2026 is a /14.
const SHORTEST_V4: u8 = 8;
/// The shortest accepted IPv6 prefix; the shortest published up to 2026 is a /39.
const SHORTEST_V6: u8 = 20;

/// A tag and its regional tags, each with its prefixes.
pub(super) struct TagFamily {
    name: String,
    members: Vec<(String, PrefixSet)>,
}

impl TagFamily {
    /// Collects the tag `name` and its regional tags from `tags`, and parses their prefixes.
    pub(super) fn gather(
        name: &str,
        tags: &[PublishedTag<'_>],
        file: &Path,
    ) -> Result<Self, TagError> {
        let members = tags.iter().filter(|tag| is_of_family(&tag.name, name));
        let members = members.map(|tag| Ok((tag.name.to_string(), prefixes(tag, file)?)));
        Ok(Self {
            name: name.to_owned(),
            members: members.collect::<Result<_, TagError>>()?,
        })
    }

    /// Returns the prefixes of each region. The region's name in host names is the suffix of the tag's name in lower case; the key `region`
    /// of the file differs from it in a dozen tags.
    pub(super) fn by_region(&self) -> BTreeMap<String, PrefixSet> {
        let mut regions: BTreeMap<String, PrefixSet> = BTreeMap::new();
        for (tag, prefixes) in &self.members {
            let suffix = tag.strip_prefix(&self.name);
            if let Some(region) = suffix.and_then(|suffix| suffix.strip_prefix('.')) {
                let known = regions.entry(region.to_ascii_lowercase()).or_default();
                *known = known.union(prefixes);
            }
        }
        regions
    }

    /// Whether the file has neither the tag nor a regional tag of it.
    pub(super) fn is_absent(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns the prefixes of the global tag, which must include those of all regional tags.
    pub(super) fn into_checked_union(self, file: &Path) -> Result<PrefixSet, TagError> {
        let is_global = |(tag, _): &&(String, PrefixSet)| *tag == self.name;
        if !self.members.iter().any(|member| is_global(&member)) {
            return Err(TagError::Missing {
                source_name: file.display().to_string(),
                tag: self.name,
            });
        }
        let global: PrefixSet = self
            .members
            .iter()
            .filter(is_global)
            .flat_map(|(_, set)| set.iter())
            .collect();
        for (regional, set) in &self.members {
            if let Some(prefix) = set.iter().find(|prefix| !global.covers(*prefix)) {
                let (regional, global) = (regional.clone(), self.name.clone());
                return Err(TagError::NotInGlobal {
                    file: file.to_owned(),
                    regional,
                    global,
                    prefix,
                });
            }
        }
        if global.is_empty() {
            return Err(TagError::Empty {
                file: file.to_owned(),
                tag: self.name,
            });
        }
        Ok(global)
    }
}

/// Refuses registries and storage that have an address in common.
pub(super) fn registries_are_apart_from_storage(
    families: &BTreeMap<String, PrefixSet>,
    file: &Path,
) -> Result<(), TagError> {
    let of = |root: &'static str| {
        families
            .iter()
            .filter(move |(name, _)| is_of_family(name, root))
    };
    for (registry, registry_set) in of(REGISTRY_TAG) {
        for (storage, storage_set) in of(STORAGE_TAG) {
            if let Some(prefix) = registry_set.first_common(storage_set) {
                let (registry, storage) = (registry.clone(), storage.clone());
                return Err(TagError::Overlap {
                    file: file.to_owned(),
                    registry,
                    storage,
                    prefix,
                });
            }
        }
    }
    Ok(())
}

fn prefixes(tag: &PublishedTag<'_>, file: &Path) -> Result<PrefixSet, TagError> {
    tag.prefixes
        .iter()
        .map(|text| prefix(text, &tag.name, file))
        .collect()
}

fn prefix(text: &str, tag: &str, file: &Path) -> Result<IpNet, TagError> {
    let prefix = parse(text).map_err(|problem| TagError::InvalidPrefix {
        file: file.to_owned(),
        tag: tag.to_owned(),
        prefix: text.to_owned(),
        problem,
    })?;
    let limit = match prefix {
        IpNet::V4(_) => SHORTEST_V4,
        IpNet::V6(_) => SHORTEST_V6,
    };
    if prefix.prefix_len() < limit {
        return Err(TagError::AbsurdPrefix {
            file: file.to_owned(),
            tag: tag.to_owned(),
            prefix,
            limit,
        });
    }
    Ok(prefix)
}

/// Parses `address/length`; no bit may be set after the length.
fn parse(text: &str) -> Result<IpNet, &'static str> {
    let Some((address, length)) = text.split_once('/') else {
        return Err("has no length");
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return Err("is not an address");
    };
    let Ok(length) = length.parse::<u8>() else {
        return Err("has a length that is not a number");
    };
    let Ok(prefix) = IpNet::new(address, length) else {
        return Err("is longer than an address");
    };
    if prefix.trunc() != prefix {
        return Err("has bits set after its length");
    }
    Ok(prefix)
}
