//! Service tags: the prefix lists that Azure publishes weekly as a JSON file.
//!
//! Format: service-tags-overview, downloads 56519 (public), 57063 (US Government) and 57062 (China).

mod configured;
mod content_check;
pub(in crate::azure) mod discovery_api;
pub(in crate::azure) mod error;
pub(in crate::azure) mod import;
pub(in crate::azure) mod publication_date;
pub(in crate::azure) mod published_file;
pub(in crate::azure) mod snapshot;
mod successor_check;
#[cfg(test)]
mod tests;

pub use self::configured::{configured_tags, required_tags};
pub use self::discovery_api::ApiTags;
pub use self::error::TagError;
pub use self::import::{date_in_file_name, import, import_file, read};
pub use self::publication_date::published_on;
pub use self::snapshot::{AddedTags, TagOrigin, TagSnapshot};
pub use self::successor_check::{check_against_bundle, check_complete, check_not_older};
