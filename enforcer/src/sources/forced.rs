//! Service tags that `tags import --force` accepted although they are older than the bundle or lack prefixes. The daemon accepts exactly these,
//! with an alarm, until a binary with another bundle runs.

use std::io::{self, Write as _};
use std::path::Path;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::azure::{TagSnapshot, bundle};
use crate::file::read_up_to;
use crate::state::write_whole;

/// Name of the file in the state directory.
const FILE: &str = "service-tags-forced.json";
/// Maximum size of the file, in bytes.
const MAX_FILE: u64 = 4096;

/// The forced tags, and the bundle that they were compared with.
#[derive(PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Forced {
    cloud: String,
    /// Digest of the tags without their date, independent of the file.
    sha256: String,
    /// The change number of the bundle at that time.
    bundle: u32,
}

impl Forced {
    fn new(tags: &TagSnapshot) -> Option<Self> {
        let bundle = bundle::header(tags.cloud).ok()?.change_number;
        let undated = TagSnapshot {
            date: None,
            ..tags.clone()
        };
        let digest = digest(&SHA256, bundle::export(&undated).as_bytes());
        let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
        Some(Self {
            cloud: tags.cloud.name().to_owned(),
            sha256: hex.collect(),
            bundle,
        })
    }
}

/// Records that exactly `tags` are accepted despite their faults.
///
/// # Errors
/// If the record cannot be written to the directory `state`.
pub fn force_tags(state: &Path, tags: &TagSnapshot) -> io::Result<()> {
    let forced = Forced::new(tags).ok_or(io::ErrorKind::InvalidData)?;
    let text = serde_json::to_vec(&forced)?;
    write_whole(&state.join(FILE), 0o600, |file| file.write_all(&text))
}

/// Removes the record: faulty tags are no longer accepted.
///
/// # Errors
/// If the record exists and cannot be removed.
pub fn unforce_tags(state: &Path) -> io::Result<()> {
    super::persisted_files::remove(&state.join(FILE))
}

/// Returns whether `tags` were imported with `--force` by a binary with the same bundle.
pub(crate) fn is_forced(state: &Path, tags: &TagSnapshot) -> bool {
    let bytes = read_up_to(&state.join(FILE), MAX_FILE).ok().flatten();
    let found = bytes.and_then(|bytes| serde_json::from_slice::<Forced>(&bytes).ok());
    found.is_some() && found == Forced::new(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Cloud;

    #[test]
    fn only_forced_tags_are_accepted_and_only_with_the_same_bundle() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let mut tags = bundle::load(Cloud::Public).unwrap();
        tags.change_number = 1;
        assert!(!is_forced(state, &tags));
        force_tags(state, &tags).unwrap();
        assert!(is_forced(state, &tags));
        let undated = TagSnapshot {
            date: None,
            ..tags.clone()
        };
        assert!(is_forced(state, &undated), "the day is no part of them");
        let other = TagSnapshot {
            change_number: 2,
            ..tags.clone()
        };
        assert!(!is_forced(state, &other));

        let older = std::fs::read_to_string(state.join(FILE)).unwrap();
        let older = older.replace("\"bundle\":403", "\"bundle\":375");
        std::fs::write(state.join(FILE), older).unwrap();
        assert!(!is_forced(state, &tags), "forced against an older bundle");
        force_tags(state, &tags).unwrap();
        unforce_tags(state).unwrap();
        unforce_tags(state).unwrap();
        assert!(!is_forced(state, &tags));
    }
}
