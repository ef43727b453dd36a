//! The service tags that a configuration requires.

use super::error::TagError;
use super::import::import_file;
use super::snapshot::TagSnapshot;
use crate::azure::bundle;
use crate::config::{Protect, REGISTRY_TAG, STORAGE_TAG};

/// The names of the tags to read: those that `protect` lists, and those that the answer check uses.
pub fn required_tags(protect: &Protect) -> Vec<String> {
    let mut required = protect.tags.clone();
    required.extend([STORAGE_TAG, REGISTRY_TAG].map(str::to_owned));
    required
}

/// Reads the service tags that `protect` requires from its file, or else from the bundle. The tags of storage and of registries are always
/// among them, as the answer check uses both, whatever is protected.
///
/// # Errors
/// Where the file is refused, or the bundle lacks a tag.
pub fn configured_tags(protect: &Protect) -> Result<TagSnapshot, TagError> {
    let required = required_tags(protect);
    let Some(file) = &protect.service_tags else {
        let bundle = bundle::load(protect.cloud)?;
        for tag in &required {
            bundle.family(tag)?;
        }
        return Ok(bundle);
    };
    import_file(file, protect.cloud, &required)
}
