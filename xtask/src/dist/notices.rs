//! The copyright notices and licence texts of everything that is linked into the program, in one text file.
//!
//! Each crate's archive has its own; Rust's documentation has those of the standard library; `packaging/notices` has
//! musl's, which Rust ships without one. A text that several have appears once.

mod document;
mod rust_page;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use self::document::{Part, Text};
use super::linked::{Crate, linked};
use crate::{arch::Arch, env, step::output_of};

/// Beginnings of the names of files with notices, in capitals.
const NAMES: [&str; 5] = ["LICENSE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// Writes the notices of the program for `arch` and returns the file.
///
/// # Errors
/// When cargo cannot resolve the dependencies, or a text cannot be read.
pub(super) fn make(arch: Arch) -> Result<PathBuf> {
    let mut parts = vec![musl()?];
    for found in linked(arch)?.iter().filter(|found| !found.own) {
        parts.push(Part {
            name: format!("{} {}", found.name, found.version),
            licence: found.licence.clone(),
            texts: texts_of(found)?,
        });
    }
    parts.extend(standard_library(arch)?);
    let dir = env::target().join("dist-work").join(arch.debian());
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let file = dir.join("third-party-notices");
    fs::write(&file, document::of(&parts))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn musl() -> Result<Part> {
    let text = Text {
        file: "COPYRIGHT".to_owned(),
        text: read(&env::root().join("packaging/notices/musl.txt"))?,
    };
    Ok(Part {
        name: "musl C library".to_owned(),
        licence: "MIT".to_owned(),
        texts: vec![text],
    })
}

/// The files with notices in the unpacked archive of a crate, by name.
fn texts_of(found: &Crate) -> Result<Vec<Text>> {
    let directory = unpacked(found)?;
    let mut texts = Vec::new();
    for file in file_names(&directory)? {
        let capitals = file.to_uppercase();
        let path = directory.join(&file);
        if NAMES.iter().any(|name| capitals.starts_with(name)) && path.is_file() {
            let text = read(&path)?;
            texts.push(Text { file, text });
        }
    }
    texts.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(texts)
}

/// Where cargo unpacked the archive of a crate: a build before this has done so.
fn unpacked(found: &Crate) -> Result<PathBuf> {
    let sources = env::cargo_home()?.join("registry/src");
    let name = format!("{}-{}", found.name, found.version);
    let registries = fs::read_dir(&sources);
    let registries = registries.with_context(|| format!("cannot read {}", sources.display()))?;
    let mut places = registries
        .flatten()
        .map(|registry| registry.path().join(&name));
    let place = places.find(|place| place.is_dir());
    place.with_context(|| format!("{name} is not unpacked in {}", sources.display()))
}

/// The standard library for machines of `arch`, with the crates in it that Rust's own page lists.
fn standard_library(arch: Arch) -> Result<Vec<Part>> {
    let root = output_of(env::command("rustc").args(["--print", "sysroot"]))?;
    let root = Path::new(root.trim());
    let page = root.join("share/doc/rust/COPYRIGHT-library.html");
    let html = read(&page)?;
    let library = root
        .join("lib/rustlib")
        .join(env::static_target(arch.kernel()))
        .join("lib");
    let mut parts = rust_page::parts(&html);
    let linked = rust_page::linked(&file_names(&library)?);
    parts.crates.retain(|found| linked.contains(&found.name));
    ensure!(
        parts
            .crates
            .iter()
            .any(|found| !found.part.texts.is_empty()),
        "{} has another form than before: no licence text is found in it",
        page.display()
    );
    // Those of the library, of its Unicode tables, and of LLVM's unwinder and run-time functions.
    for name in ["MIT", "Apache-2.0", "Unicode-3.0", "LLVM-exception"] {
        let file = format!("{name}.txt");
        let text = read(&root.join("share/doc/rust/licenses").join(&file))?;
        parts.library.texts.push(Text { file, text });
    }
    let crates = parts.crates.into_iter().map(|found| found.part);
    Ok([parts.library].into_iter().chain(crates).collect())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn file_names(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory);
    let entries = entries.with_context(|| format!("cannot read {}", directory.display()))?;
    let name = |entry: std::io::Result<fs::DirEntry>| {
        Ok(entry?.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_linked_crate_is_listed_and_only_the_kernel_libraries_lack_a_text() {
        let file = make(Arch::Amd64).unwrap();
        let document = fs::read_to_string(file).unwrap();
        let without: Vec<&str> = document
            .lines()
            .filter_map(|line| line.strip_suffix("; no text in its archive"))
            .collect();
        assert!(
            without.iter().all(|line| ["aya-ebpf", "aya-log-ebpf"]
                .iter()
                .any(|start| line.starts_with(start))),
            "{without:?}"
        );
        for part in [
            "musl C library: MIT; text",
            "\nring 0",
            "\nRust's standard library",
        ] {
            assert!(document.contains(part), "no {part:?}");
        }
    }
}
