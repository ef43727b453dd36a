//! The header of a bundle: the published file from which it was generated.

use std::fmt;
use std::path::Path;

use jiff::civil::Date;
use serde::Deserialize;

use super::format::{Contents, text};
use crate::azure::tags::error::TagError;
use crate::azure::tags::published_file::is_of_family;
use crate::config::{Cloud, REGISTRY_TAG, STORAGE_TAG};
use crate::file::utf8;

/// The header of a cloud's bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleHeader {
    /// The name of the published file.
    pub file: String,
    /// The day of publication.
    pub date: Date,
    /// Its change number.
    pub change_number: u32,
    /// Whether the change number of the publication may be higher.
    pub is_lower_bound: bool,
    /// Whether the file contained the bundled tags only, not every tag of the publication.
    pub is_subset: bool,
}

/// Parses the header of the bundle of `cloud`.
///
/// # Errors
/// Where the bundle is damaged.
pub fn header(cloud: Cloud) -> Result<BundleHeader, TagError> {
    let mut header = Contents::default();
    for (line, text) in (1..).zip(text(cloud).lines()) {
        if text.starts_with("tag ") {
            break;
        }
        let read = header.read(text);
        read.map_err(|problem| TagError::Bundle {
            cloud,
            line,
            problem,
        })?;
    }
    let incomplete = || TagError::Bundle {
        cloud,
        line: 1,
        problem: "the header is not complete",
    };
    Ok(BundleHeader {
        file: header.file.ok_or_else(incomplete)?.to_owned(),
        date: header.date.ok_or_else(incomplete)?,
        change_number: header.change_number.ok_or_else(incomplete)?,
        is_lower_bound: header.is_lower_bound,
        is_subset: header.is_subset,
    })
}

/// Returns the header lines that only a generated bundle has.
pub(super) fn header_lines(file: &Path, is_lower_bound: bool, is_subset: bool) -> Vec<String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let number = if is_lower_bound {
        "lower-bound"
    } else {
        "exact"
    };
    let tags = if is_subset { "these" } else { "all" };
    vec![
        format!("file {name}"),
        format!("file-tags {tags}"),
        format!("change-number-is {number}"),
    ]
}

/// Whether the `bytes` of a published file contain only tags of storage and of registries.
///
/// # Errors
/// Where they are not a service-tags file.
pub(super) fn is_subset(bytes: &[u8]) -> Result<bool, serde_json::Error> {
    #[derive(Deserialize)]
    struct Names {
        values: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let names: Names = serde_json::from_slice(&utf8(bytes))?;
    let families = [STORAGE_TAG, REGISTRY_TAG];
    let is_bundled = |tag: &Named| {
        families
            .iter()
            .any(|family| is_of_family(&tag.name, family))
    };
    Ok(names.values.iter().all(is_bundled))
}

impl fmt::Display for BundleHeader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_later = if self.is_lower_bound { " or later" } else { "" };
        let Self {
            file,
            date,
            change_number,
            ..
        } = self;
        write!(
            formatter,
            "change {change_number}{or_later}, published {date}, generated from "
        )?;
        if self.is_subset {
            write!(formatter, "the storage and registry tags in ")?;
        }
        formatter.write_str(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundle_has_a_header() {
        let shown = Cloud::ALL.map(|cloud| header(cloud).unwrap().to_string());
        assert_eq!(
            shown,
            [
                "change 403 or later, published 2026-06-22, generated from the storage and registry tags in ServiceTags_Public_20260622.json",
                "change 402, published 2026-07-20, generated from ServiceTags_AzureGovernment_20260720.json",
                "change 405, published 2026-07-20, generated from ServiceTags_China_20260720.json",
            ]
        );
    }

    #[test]
    fn a_file_with_any_other_tag_is_not_a_subset() {
        let with = |name: &str| {
            let text = format!(
                r#"{{"values":[{{"name":"Storage.EastUS"}},{{"name":"AzureContainerRegistry"}},{{"name":"{name}"}}]}}"#
            );
            is_subset(text.as_bytes()).unwrap()
        };
        assert!(with("Storage"));
        assert!(!with("StorageSyncService") && !with("Sql"));
    }
}
