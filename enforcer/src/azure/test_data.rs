//! Published files, which tests read where present, and files generated from the bundle.

use std::io::Write;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::tags::published_on;
use super::{PrefixSet, TagSnapshot, bundle};
use crate::config::{Cloud, REGISTRY_TAG};

/// The newest file of each cloud, from which the bundle is generated.
pub(super) const NEWEST: [(Cloud, &str); 3] = [
    (Cloud::Public, "ServiceTags_Public_20260622.json"),
    (
        Cloud::UsGovernment,
        "ServiceTags_AzureGovernment_20260720.json",
    ),
    (Cloud::China, "ServiceTags_China_20260720.json"),
];

/// The path of a published file; prints a notice when it is missing.
pub(super) fn service_tags(file: &str) -> Option<PathBuf> {
    shared(&Path::new("service-tags").join(file))
}

/// The published list of the public cloud's physical regions, one per line; prints a notice when it is missing.
pub(super) fn regions() -> Option<String> {
    let path = shared(Path::new("azure-regions.txt"))?;
    Some(std::fs::read_to_string(path).unwrap())
}

/// A file beside the workspace. Prints a notice when it is missing, bypassing the capture of passing tests.
fn shared(file: &Path) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let path = workspace.join("../shared/data").join(file);
    if !path.is_file() {
        writeln!(std::io::stderr(), "NOT RUN: ../shared/data is not here").unwrap();
        return None;
    }
    Some(path)
}

/// The text of a published file with the content of `tags`.
pub(crate) fn published(tags: &TagSnapshot) -> String {
    let tag = |name: String, prefixes: &PrefixSet| {
        let prefixes: Vec<String> = prefixes.iter().map(|prefix| prefix.to_string()).collect();
        serde_json::json!({"name": name, "properties": {"addressPrefixes": prefixes}})
    };
    let families = tags.families.iter();
    let families = families.map(|(name, prefixes)| tag(name.clone(), prefixes));
    let regions = tags.registry_regions.iter();
    let regions =
        regions.map(|(region, prefixes)| tag(format!("{REGISTRY_TAG}.{region}"), prefixes));
    let file = serde_json::json!({
        "changeNumber": tags.change_number,
        "cloud": tags.cloud.service_tags_name(),
        "values": families.chain(regions).collect::<Vec<_>>(),
    });
    file.to_string()
}

/// The public cloud's bundle as a later publication.
pub(crate) fn later(change_number: u32) -> TagSnapshot {
    TagSnapshot {
        change_number,
        date: published_on(Cloud::Public, change_number, None),
        ..bundle::load(Cloud::Public).unwrap()
    }
}

/// `tags` with only those prefixes of the tag `name` for which `keep` is true.
pub(crate) fn thinned(
    mut tags: TagSnapshot,
    name: &str,
    keep: impl FnMut(&IpNet) -> bool,
) -> TagSnapshot {
    let prefixes = tags.families[name].iter().filter(keep).collect();
    tags.families.insert(name.to_owned(), prefixes);
    tags
}
