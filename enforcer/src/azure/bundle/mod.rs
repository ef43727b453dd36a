//! The service tags in the binary, so that a device is protected before it first has a network.
//!
//! Text format: a header (`cloud`, `change-number`, `date`, and the published file), then `tag NAME` and its aggregated prefixes, one per
//! line and sorted, so that the diff of an update is readable. A registry prefix of one region is followed by that region.

mod format;
pub(in crate::azure) mod header;
#[cfg(test)]
mod tests;

use std::path::Path;

use self::format::{lines, parse, text};
pub use self::header::{BundleHeader, header};
use super::json_problem::json_problem;
use super::tags::error::TagError;
use super::tags::import::{date_in_file_name, import, read};
use super::tags::publication_date::{is_dated_before, published_on};
use super::tags::snapshot::{TagOrigin, TagSnapshot};
use crate::config::{Cloud, REGISTRY_TAG, STORAGE_TAG};

/// Loads the bundle of `cloud`.
pub fn load(cloud: Cloud) -> Result<TagSnapshot, TagError> {
    parse(text(cloud), cloud)
}

/// Parses the service tags of `cloud` that an earlier run exported as `text`.
pub fn kept(text: &str, cloud: Cloud) -> Result<TagSnapshot, TagError> {
    let tags = parse(text, cloud)?;
    Ok(TagSnapshot {
        origin: TagOrigin::Kept,
        date: published_on(cloud, tags.change_number, tags.date),
        ..tags
    })
}

/// Generates the bundle's text from the published file at `file`, whose name contains the date. With `is_lower_bound`, the change number of
/// the publication may be higher than that in the file.
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

/// Whether the bundle is newer than `tags` of its cloud. If the bundle's change number is a lower bound, dates decide near it.
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

/// Returns the bundle in place of `tags`, with those tags of `tags` that it lacks.
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

/// Writes `snapshot` in the format of the bundle.
pub fn export(snapshot: &TagSnapshot) -> String {
    lines(snapshot, Vec::new())
}
