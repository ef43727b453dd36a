//! The software bill of materials: CycloneDX 1.6 (<https://cyclonedx.org/docs/1.6/json/>) of what is linked into the program and
//! into the kernel programs inside it, for one target. cargo-cyclonedx takes one crate for a root, and adds what only builds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use anyhow::{Context as _, Result};

use super::{
    job::{Job, NAME},
    linked::{Crate, linked},
};
use crate::{env, step::output_of};

/// Writes the file and returns its path.
///
/// # Errors
/// When cargo cannot resolve the dependencies, or one has no licence.
pub(super) fn make(job: &Job) -> Result<PathBuf> {
    let crates = linked(job.arch)?;
    let lock = fs::read_to_string(env::root().join("Cargo.lock"))?;
    let rust = output_of(env::command("rustc").arg("--version"))?;
    let rust = rust
        .split_whitespace()
        .nth(1)
        .context("rustc has no version")?;
    let text = document(&job.version, rust, &crates, &checksums(&lock));
    let file = job.out.join(format!(
        "{NAME}-{}-{}.cdx.json",
        job.version,
        job.arch.kernel()
    ));
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("    {}: {} crates", file.display(), crates.len());
    Ok(file)
}

/// SHA-256 of each crate's archive by name and version, from the text of `Cargo.lock`.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |line: &str, key: &str| {
        let value = line.strip_prefix(key)?.strip_prefix(" = \"")?;
        value.strip_suffix('"').map(str::to_owned)
    };
    let mut sums = BTreeMap::new();
    for block in lock.split("[[package]]") {
        let find = |key| block.lines().find_map(|line| value(line, key));
        if let (Some(name), Some(version), Some(sum)) =
            (find("name"), find("version"), find("checksum"))
        {
            sums.insert((name, version), sum);
        }
    }
    sums
}

fn document(
    version: &str,
    rust: &str,
    crates: &BTreeSet<Crate>,
    sums: &BTreeMap<(String, String), String>,
) -> String {
    let product = format!(
        r#"{{"type": "application", "bom-ref": "{NAME}", "name": "{NAME}", "version": "{version}", "licenses": [{{"expression": "(MIT OR Apache-2.0) AND (MIT OR GPL-2.0-only)"}}]}}"#
    );
    let std = format!(
        r#"    {{"type": "library", "bom-ref": "rust-std", "name": "rust-std", "version": "{rust}", "description": "Rust's standard library with the musl C library that it brings", "licenses": [{{"expression": "MIT OR Apache-2.0"}}]}}"#
    );
    let components: Vec<String> = crates
        .iter()
        .filter(|found| !found.own)
        .map(|found| component(found, sums))
        .chain([std])
        .collect();
    format!(
        "{{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.6\",\n  \"version\": 1,\n  \"metadata\": {{\"component\": {product}}},\n  \"components\": [\n{}\n  ]\n}}\n",
        components.join(",\n")
    )
}

fn component(found: &Crate, sums: &BTreeMap<(String, String), String>) -> String {
    let Crate {
        name,
        version,
        licence,
        ..
    } = found;
    let url = format!("pkg:cargo/{name}@{version}");
    let hashes = sums
        .get(&(name.clone(), version.clone()))
        .map(|sum| format!(r#", "hashes": [{{"alg": "SHA-256", "content": "{sum}"}}]"#));
    format!(
        r#"    {{"type": "library", "bom-ref": "{url}", "name": "{name}", "version": "{version}", "purl": "{url}", "licenses": [{{"expression": "{licence}"}}]{}}}"#,
        hashes.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;

    #[test]
    fn every_crate_of_the_registry_is_listed_with_its_checksum() {
        let crates = linked(Arch::Amd64).unwrap();
        let sums = checksums(include_str!("../../../Cargo.lock"));
        let text = document("1", "1", &crates, &sums);
        let foreign = crates.iter().filter(|found| !found.own).count();
        assert_eq!(text.matches("SHA-256").count(), foreign);
        assert!(text.contains("pkg:cargo/aya@"));
        // What runs while building, and what only tests use, is not in the program.
        for absent in ["serde_derive", "aya-build", "proptest", "clap_mangen"] {
            assert!(!text.contains(&format!("pkg:cargo/{absent}@")), "{absent}");
        }
    }
}
