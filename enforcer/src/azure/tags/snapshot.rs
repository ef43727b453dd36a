//! Service tags at one point in time.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

use super::error::TagError;
use crate::azure::prefixes::PrefixSet;
use crate::config::Cloud;

/// The prefixes of some service tags at one point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagSnapshot {
    /// The cloud that they are of.
    pub cloud: Cloud,
    /// The file's change number; it rises with every publication.
    pub change_number: u32,
    /// The day of publication, as far as the change number bears it out; see [`published_on`].
    pub date: Option<Date>,
    /// Where they came from.
    pub origin: TagOrigin,
    /// By tag name, its prefixes united with those of its regional tags.
    pub families: BTreeMap<String, PrefixSet>,
    /// By region as it stands in data endpoint names (`francecentral`), the prefixes of its registries.
    pub registry_regions: BTreeMap<String, PrefixSet>,
    /// What the Service Tag Discovery API added, when it was asked; it is part of `families`.
    pub added: Option<AddedTags>,
}

/// Where service tags came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagOrigin {
    /// The bundle in the binary.
    Bundle,
    /// A published file.
    File(PathBuf),
    /// What an earlier run kept of a file or a URL.
    Kept,
    /// A published file at this URL, which is written without its query.
    Url(String),
}

/// What a snapshot got from the API besides its own prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedTags {
    /// The change number of the API's list.
    pub change_number: u32,
    /// By tag name, the prefixes that the snapshot lacked, whole or in part.
    pub families: BTreeMap<String, PrefixSet>,
    /// The prefixes that were not added, as registries and storage would share them; a real list has none.
    pub left_out: Vec<IpNet>,
}

impl TagSnapshot {
    /// The prefixes of `tag` and its regional tags.
    pub fn family(&self, tag: &str) -> Result<&PrefixSet, TagError> {
        let missing = || TagError::Missing {
            source_name: self.origin.to_string(),
            tag: tag.to_owned(),
        };
        self.families.get(tag).ok_or_else(missing)
    }

    /// How old the tags are at `now`; `None` when their date is not known, or the clock stands before it.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        Duration::try_from(now.duration_since(self.published()?)).ok()
    }

    /// The beginning of the day of publication; `None` when it is not known.
    pub fn published(&self) -> Option<Timestamp> {
        Offset::UTC.to_timestamp(self.date?.at(0, 0, 0, 0)).ok()
    }
}

impl fmt::Display for TagOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundle => formatter.write_str("the bundle in the binary"),
            Self::File(file) => file.display().fmt(formatter),
            Self::Kept => formatter.write_str("what an earlier run kept"),
            Self::Url(url) => formatter.write_str(url),
        }
    }
}
