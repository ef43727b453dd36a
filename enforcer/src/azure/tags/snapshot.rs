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
    /// Their cloud.
    pub cloud: Cloud,
    /// The change number, which increases with every publication.
    pub change_number: u32,
    /// The day of publication, as far as it is consistent with the change number; see
    /// [`published_on`](super::publication_date::published_on).
    pub date: Option<Date>,
    /// Their source.
    pub origin: TagOrigin,
    /// By tag name, the union of its prefixes and those of its regional tags.
    pub families: BTreeMap<String, PrefixSet>,
    /// By region as written in data endpoint names (`francecentral`), the prefixes of its registries.
    pub registry_regions: BTreeMap<String, PrefixSet>,
    /// The prefixes that the Service Tag Discovery API added, when it was queried; `families` includes them.
    pub added: Option<AddedTags>,
}

/// Source of service tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagOrigin {
    /// The bundle in the binary.
    Bundle,
    /// A published file.
    File(PathBuf),
    /// Tags that an earlier run saved from a file or a URL.
    Kept,
    /// A published file at this URL, shown without its query.
    Url(String),
}

/// The prefixes that the Service Tag Discovery API added to a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedTags {
    /// The change number of the API's list.
    pub change_number: u32,
    /// By tag name, the prefixes that the snapshot did not cover.
    pub families: BTreeMap<String, PrefixSet>,
    /// The prefixes that were not added because registries and storage would share them; a genuine list has none.
    pub left_out: Vec<IpNet>,
}

impl TagSnapshot {
    /// Returns the prefixes of `tag` and its regional tags.
    pub fn family(&self, tag: &str) -> Result<&PrefixSet, TagError> {
        let missing = || TagError::Missing {
            source_name: self.origin.to_string(),
            tag: tag.to_owned(),
        };
        self.families.get(tag).ok_or_else(missing)
    }

    /// Returns the age of the tags at `now`; `None` when their date is unknown or later than `now`.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        Duration::try_from(now.duration_since(self.published()?)).ok()
    }

    /// Returns the beginning of the day of publication; `None` when it is unknown.
    pub fn published(&self) -> Option<Timestamp> {
        Offset::UTC.to_timestamp(self.date?.at(0, 0, 0, 0)).ok()
    }
}

impl fmt::Display for TagOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundle => formatter.write_str("the bundle in the binary"),
            Self::File(file) => file.display().fmt(formatter),
            Self::Kept => formatter.write_str("tags saved by an earlier run"),
            Self::Url(url) => formatter.write_str(url),
        }
    }
}
