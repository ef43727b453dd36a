//! Reads a published service-tags file.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::content_check::{TagFamily, registries_are_apart_from_storage};
use super::error::TagError;
use super::publication_date::published_on;
use super::published_file::Published;
use super::snapshot::{TagOrigin, TagSnapshot};
use crate::azure::json_problem::json_problem;
use crate::config::{Cloud, REGISTRY_TAG};
use crate::file::{read_up_to, utf8};

/// The largest file that is read, in bytes: fifteen times the largest published up to 2026.
pub(super) const MAX_FILE: u64 = 64 << 20;
/// The largest list that is fetched, in bytes, as it is in memory as a whole: three times the largest published up to 2026.
pub(in crate::azure) const MAX_FETCHED: u64 = 16 << 20;

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

/// Returns the day of the file's last modification.
fn day_written(file: &Path) -> Option<Date> {
    let written = std::fs::metadata(file).and_then(|found| found.modified());
    let written = Timestamp::try_from(written.ok()?).ok()?;
    Some(Offset::UTC.to_datetime(written).date())
}

/// Reads the bytes of the published file at `file`.
///
/// # Errors
/// Where it cannot be read or is larger than any published file.
pub fn read(file: &Path) -> Result<Vec<u8>, TagError> {
    let bytes = read_up_to(file, MAX_FILE).map_err(|source| TagError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    bytes.ok_or_else(|| TagError::TooLarge {
        file: file.to_owned(),
    })
}

/// Reads the tags `wanted` from the `bytes` of a published file; each includes its regional tags (`Storage` includes `Storage.*`). The file
/// is accepted or refused as a whole. `file` appears in errors, and its name may contain the date.
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
    registries_are_apart_from_storage(&families, file)?;
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

/// Returns why `bytes` are not a published file.
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

/// A list of the Service Tag Discovery API: its change number is text (Azure's command line), or its keys are capitalized
/// (`Get-AzNetworkServiceTag`).
#[derive(Deserialize)]
struct ListOfApi {
    #[serde(alias = "ChangeNumber", rename = "changeNumber")]
    _change_number: String,
    #[serde(alias = "Values", rename = "values")]
    _values: Vec<IgnoredAny>,
}

/// Returns the date in a name such as `ServiceTags_Public_20251028.json`.
pub fn date_in_file_name(file: &Path) -> Option<Date> {
    let stem = file.file_stem()?.to_str()?;
    let runs = stem.split(|letter: char| !letter.is_ascii_digit());
    let mut dates = runs
        .filter(|run| run.len() == 8)
        .filter_map(|run| Date::strptime("%Y%m%d", run).ok());
    dates.next_back()
}
