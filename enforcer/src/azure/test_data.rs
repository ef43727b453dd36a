//! The real files that tests read when they are there.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::config::Cloud;

/// The newest file of each cloud, which the bundle is made from.
pub(super) const NEWEST: [(Cloud, &str); 3] = [
    (Cloud::Public, "ServiceTags_Public_20251028.json"),
    (
        Cloud::UsGovernment,
        "ServiceTags_AzureGovernment_20260720.json",
    ),
    (Cloud::China, "ServiceTags_China_20260720.json"),
];

/// The path of a published file; says so when it is not there.
pub(super) fn service_tags(file: &str) -> Option<PathBuf> {
    shared(&Path::new("service-tags").join(file))
}

/// The published list of the public cloud's physical regions, one a line; says so when it is not there.
pub(super) fn regions() -> Option<String> {
    let path = shared(Path::new("azure-regions.txt"))?;
    Some(std::fs::read_to_string(path).unwrap())
}

/// A file beside the workspace; says so when it is not there, past the capture of passing tests.
fn shared(file: &Path) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let path = workspace.join("../shared/data").join(file);
    if !path.is_file() {
        writeln!(std::io::stderr(), "NOT RUN: ../shared/data is not here").unwrap();
        return None;
    }
    Some(path)
}
