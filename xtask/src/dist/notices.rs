//! The copyright notices and licence texts of everything that is linked into the program, in one text file.
//!
//! Each crate's archive has its own; Rust's documentation has those of the standard library; `packaging/notices` has
//! musl's, which Rust ships without one. A text that several have appears once.

mod rust_page;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use super::sbom::{self, Crate};
use crate::{arch::Arch, env, step::output_of};

/// Beginnings of the names of files with notices, in capitals.
const NAMES: [&str; 5] = ["LICENSE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
const RULE: &str =
    "================================================================================";

/// A part of the program, and the licence that it declares.
struct Part {
    name: String,
    licence: String,
    texts: Vec<Text>,
}

/// A file with a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Text {
    file: String,
    text: String,
}

/// Writes the notices of the program for `arch` and returns the file.
///
/// # Errors
/// When cargo cannot resolve the dependencies, or a text cannot be read.
pub(super) fn make(arch: Arch) -> Result<PathBuf> {
    let mut parts = vec![musl()?];
    for found in sbom::linked(arch)?.iter().filter(|found| !found.own) {
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
    fs::write(&file, document(&parts))
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

fn document(parts: &[Part]) -> String {
    // Texts that differ in white space alone are one.
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut texts: Vec<(&Text, Vec<&str>)> = Vec::new();
    let mut index = String::new();
    for part in parts {
        let mut shown = Vec::new();
        for text in &part.texts {
            let words = text.text.split_whitespace().collect::<Vec<_>>().join(" ");
            let number = *numbers.entry(words).or_insert_with(|| {
                texts.push((text, Vec::new()));
                texts.len()
            });
            texts[number - 1].1.push(&part.name);
            shown.push(number.to_string());
        }
        let shown = if shown.is_empty() {
            "no text in its archive".to_owned()
        } else {
            format!("texts {}", shown.join(", "))
        };
        index.push_str(&format!("{}: {}; {shown}\n", part.name, part.licence));
    }
    let mut document = format!(
        "Third-party software in egress-enforcer\n\n\
         The program is linked statically with the parts below. Each line gives a part, the licence that it declares\n\
         and the numbers of its notices and licence texts, which follow. Where a part offers several licences,\n\
         egress-enforcer uses it under any of them.\n\n{index}"
    );
    for (number, (text, users)) in texts.iter().enumerate() {
        document.push_str(&format!(
            "\n{RULE}\nText {} ({} of {})\n{RULE}\n\n{}\n",
            number + 1,
            text.file,
            users.join(", "),
            text.text.trim_matches('\n')
        ));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, texts: &[&str]) -> Part {
        let text = |text: &&str| Text {
            file: "LICENSE".to_owned(),
            text: (*text).to_owned(),
        };
        Part {
            name: name.to_owned(),
            licence: "MIT".to_owned(),
            texts: texts.iter().map(text).collect(),
        }
    }

    #[test]
    fn a_text_of_several_parts_appears_once_and_names_them() {
        let parts = [
            part("one 1.0", &["Permission\n  granted", "other"]),
            part("two 2.0", &["Permission granted\n"]),
            part("three 3.0", &[]),
        ];
        let document = document(&parts);
        assert_eq!(document.matches("granted").count(), 1);
        for line in [
            "one 1.0: MIT; texts 1, 2\n",
            "two 2.0: MIT; texts 1\n",
            "three 3.0: MIT; no text in its archive\n",
            "Text 1 (LICENSE of one 1.0, two 2.0)\n",
        ] {
            assert!(document.contains(line), "no {line:?} in {document}");
        }
    }

    #[test]
    fn every_linked_crate_is_listed_and_only_the_kernel_library_lacks_a_text() {
        let file = make(Arch::Amd64).unwrap();
        let document = fs::read_to_string(file).unwrap();
        let without: Vec<&str> = document
            .lines()
            .filter_map(|line| line.strip_suffix("; no text in its archive"))
            .collect();
        assert!(
            without.iter().all(|line| line.starts_with("aya-ebpf")),
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
