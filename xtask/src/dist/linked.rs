//! The crates that are linked into the program and into the kernel programs inside it, as cargo resolves them.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

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

/// The crates that are linked into the program for `arch` and into the kernel programs inside it.
///
/// # Errors
/// When cargo cannot resolve the dependencies, or one declares no licence.
pub(super) fn linked(arch: Arch) -> Result<BTreeSet<Crate>> {
    let mut crates = tree("enforcer", &env::static_target(arch.kernel()), "")?;
    crates.extend(tree("enforcer-ebpf", "bpfel-unknown-none", "trace")?);
    Ok(crates)
}

/// The crates that are linked into `package` with `features` for `target`.
fn tree(package: &str, target: &str, features: &str) -> Result<BTreeSet<Crate>> {
    let mut cargo = env::cargo();
    cargo
        .args(["tree", "--locked", "--package", package, "--target", target])
        .args(["--features", features])
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
        anyhow::bail!("cargo tree printed a line without a crate: {line}");
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
}
