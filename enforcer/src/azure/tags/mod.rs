//! Service tags: the prefix lists that Azure publishes weekly as a JSON file.
//!
//! Format: service-tags-overview, downloads 56519 (public), 57063 (US Government) and 57062 (China).

mod content_check;
mod discovery_api;
mod error;
mod publication_date;
#[cfg(test)]
mod published_figures;
mod published_file;
mod successor_check;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::content_check::TagFamily;
pub(in crate::azure) use self::discovery_api::ApiTagsReader;
pub use self::discovery_api::{AddedTags, ApiTags};
pub use self::error::TagError;
pub(in crate::azure) use self::publication_date::is_dated_before;
pub use self::publication_date::published_on;
use self::published_file::Published;
pub(in crate::azure) use self::published_file::is_of_family;
pub use self::successor_check::{check_against_bundle, check_complete, check_not_older};
use super::PrefixSet;
use super::json_problem::json_problem;
use crate::config::{Cloud, REGISTRY_TAG};
use crate::file::{read_up_to, utf8};

/// The largest file that is read, in bytes: fifteen times the largest published so far.
const MAX_FILE: u64 = 64 << 20;
/// The most bytes of a list that comes over a network, where it is in memory as a whole: three times the largest published so far.
pub(in crate::azure) const MAX_FETCHED: u64 = 16 << 20;

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

/// Reads the published file at `file`; see [`import`].
pub fn import_file(
    file: &Path,
    expected: Cloud,
    wanted: &[String],
) -> Result<TagSnapshot, TagError> {
    let snapshot = import(&read(file)?, file, expected, wanted)?;
    if date_in_file_name(file).is_some() {
        return Ok(snapshot);
    }
    Ok(TagSnapshot {
        date: published_on(expected, snapshot.change_number, day_written(file)),
        ..snapshot
    })
}

/// The day on which the file was written.
fn day_written(file: &Path) -> Option<Date> {
    let written = std::fs::metadata(file).and_then(|found| found.modified());
    let written = Timestamp::try_from(written.ok()?).ok()?;
    Some(Offset::UTC.to_datetime(written).date())
}

/// The bytes of the published file at `file`, unless there are more than any has.
pub fn read(file: &Path) -> Result<Vec<u8>, TagError> {
    let bytes = read_up_to(file, MAX_FILE).map_err(|source| TagError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    bytes.ok_or_else(|| TagError::TooLarge {
        file: file.to_owned(),
    })
}

/// Reads the tags `wanted` from a published file's `bytes`; each stands for itself and all its regional tags
/// (`Storage` for `Storage.*`). All of it is taken or nothing. `file` is named in errors and tells the date.
pub fn import(
    bytes: &[u8],
    file: &Path,
    expected: Cloud,
    wanted: &[String],
) -> Result<TagSnapshot, TagError> {
    let bytes = utf8(bytes);
    let published = Published::<u32>::parse(&bytes, wanted)
        .map_err(|error| refused(&error, &bytes, file, expected))?;
    if published.cloud != expected.service_tags_name() {
        let found = published.cloud.into_owned();
        return Err(TagError::OtherCloud {
            file: file.to_owned(),
            found,
            expected,
        });
    }
    let mut families = BTreeMap::new();
    let mut registry_regions = BTreeMap::new();
    for name in wanted {
        let family = TagFamily::gather(name, &published.tags, file)?;
        if name == REGISTRY_TAG {
            registry_regions = family.by_region();
        }
        families.insert(name.clone(), family.into_checked_union(file)?);
    }
    content_check::registries_are_apart_from_storage(&families, file)?;
    Ok(TagSnapshot {
        cloud: expected,
        change_number: published.change_number,
        date: published_on(expected, published.change_number, date_in_file_name(file)),
        origin: TagOrigin::File(file.to_owned()),
        families,
        registry_regions,
        added: None,
    })
}

/// Why `bytes` are no published file.
fn refused(error: &serde_json::Error, bytes: &[u8], file: &Path, expected: Cloud) -> TagError {
    let file = file.to_owned();
    if error.is_data() && serde_json::from_slice::<ListOfApi>(bytes).is_ok() {
        return TagError::ListOfApi {
            file,
            cloud: expected,
        };
    }
    let problem = json_problem(error, bytes);
    TagError::Malformed { file, problem }
}

/// What only the Service Tag Discovery API's list has: its change number is text (Azure's command line), or its keys are in capitals
/// (`Get-AzNetworkServiceTag`).
#[derive(Deserialize)]
struct ListOfApi {
    #[serde(alias = "ChangeNumber", rename = "changeNumber")]
    _change_number: String,
    #[serde(alias = "Values", rename = "values")]
    _values: Vec<IgnoredAny>,
}

/// The date in a name such as `ServiceTags_Public_20251028.json`.
pub fn date_in_file_name(file: &Path) -> Option<Date> {
    let stem = file.file_stem()?.to_str()?;
    let runs = stem.split(|letter: char| !letter.is_ascii_digit());
    let mut dates = runs
        .filter(|run| run.len() == 8)
        .filter_map(|run| Date::strptime("%Y%m%d", run).ok());
    dates.next_back()
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

impl std::fmt::Display for TagOrigin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bundle => formatter.write_str("the bundle in the binary"),
            Self::File(file) => file.display().fmt(formatter),
            Self::Kept => formatter.write_str("what an earlier run kept"),
            Self::Url(url) => formatter.write_str(url),
        }
    }
}
