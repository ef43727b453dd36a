//! Azure: clouds, endpoint names, service tags and the bundle of them in the binary.

pub mod bundle;
pub mod endpoints;
pub mod identity;
mod json_problem;
pub mod poll_schedule;
mod prefixes;
pub mod regions;
pub mod resource_manager;
pub mod tags;
#[cfg(test)]
pub(crate) mod test_data;
mod trailing_commas;

pub use prefixes::PrefixSet;
pub use tags::{TagError, TagOrigin, TagSnapshot};

pub use crate::config::cloud;
use crate::config::{Protect, REGISTRY_TAG, STORAGE_TAG};

/// The tags that are read: those that `protect` closes, and those that answers are held against.
pub fn wanted(protect: &Protect) -> Vec<String> {
    let mut wanted = protect.tags.clone();
    wanted.extend([STORAGE_TAG, REGISTRY_TAG].map(str::to_owned));
    wanted
}

/// The service tags that `protect` calls for: its file, or else the bundle. The families of storage and registries
/// are always among them, as answers are held against both whatever is protected.
pub fn snapshot(protect: &Protect) -> Result<TagSnapshot, TagError> {
    let wanted = wanted(protect);
    let Some(file) = &protect.service_tags else {
        let bundle = bundle::load(protect.cloud)?;
        for tag in &wanted {
            bundle.family(tag)?;
        }
        return Ok(bundle);
    };
    tags::import_file(file, protect.cloud, &wanted)
}
