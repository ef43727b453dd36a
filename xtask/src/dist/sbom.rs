//! The software bill of materials: CycloneDX 1.6 (<https://cyclonedx.org/docs/1.6/json/>) of what is linked into the program and
//! into the kernel programs inside it, for one target. cargo-cyclonedx takes one crate for a root, and adds what only builds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use anyhow::{Context as _, Result, ensure};

use super::{Job, NAME};
use crate::{arch::Arch, env, step::output_of};

/// One crate that is linked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licence: String,
    /// Whether it is part of the workspace.
    pub(super) own: bool,
}

/// Writes the file and returns its path.
///
/// # Errors
/// When cargo does not tell the dependencies, or one has no licence.
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

/// The crates that are linked into the program for `arch` and into the kernel programs inside it.
///
/// # Errors
/// When cargo cannot resolve the dependencies, or one declares no licence.
pub(super) fn linked(arch: Arch) -> Result<BTreeSet<Crate>> {
    let mut crates = tree("enforcer", &env::static_target(arch.kernel()))?;
    crates.extend(tree("enforcer-ebpf", "bpfel-unknown-none")?);
    Ok(crates)
}

/// The crates that are linked into `package` for `target`.
fn tree(package: &str, target: &str) -> Result<BTreeSet<Crate>> {
    let mut cargo = env::cargo();
    cargo
        .args(["tree", "--locked", "--package", package, "--target", target])
        .args(["--edges", "no-dev,no-build,no-proc-macro"])
        .args(["--prefix", "none", "--format", "{p}|{l}|"]);
    let tree = output_of(&mut cargo)?;
    tree.lines().map(read_line).collect()
}

/// Reads `name v1.2.3 (path)|LICENCE|`, with more behind it where a crate was shown before.
fn read_line(line: &str) -> Result<Crate> {
    let mut fields = line.split('|');
    let (package, licence) = (
        fields.next().unwrap_or_default(),
        fields.next().unwrap_or_default(),
    );
    let mut words = package.split_whitespace();
    let (name, version) = (words.next(), words.next());
    let version = version.and_then(|version| version.strip_prefix('v'));
    let (Some(name), Some(version)) = (name, version) else {
        anyhow::bail!("cargo tree says what is no crate: {line}");
    };
    ensure!(!licence.is_empty(), "{name} {version} has no licence");
    Ok(Crate {
        name: name.to_owned(),
        version: version.to_owned(),
        // The form of manifests from before SPDX expressions.
        licence: licence.replace('/', " OR "),
        own: words.next().is_some_and(|word| word.starts_with("(/")),
    })
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

    #[test]
    fn a_line_of_cargo_tree_is_a_crate() {
        let found = read_line("libc v0.2.177|MIT/Apache-2.0| (*)").unwrap();
        assert_eq!(
            (found.name.as_str(), found.version.as_str()),
            ("libc", "0.2.177")
        );
        assert_eq!(found.licence, "MIT OR Apache-2.0");
        assert!(!found.own);
        assert!(
            read_line("enforcer v0.1.0 (/src/enforcer)|MIT|")
                .unwrap()
                .own
        );
        assert!(read_line("libc v0.2.177||").is_err());
    }

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
