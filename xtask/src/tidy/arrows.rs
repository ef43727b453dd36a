//! Which file uses which: arrows between rooms point one way, and no two files use each other.

mod circles;
mod source;
mod tree;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use self::tree::{Arrows, Tree};

/// The crates whose files must not form circles.
const CRATES: [&str; 6] = [
    "enforcer-common",
    "enforcer-ebpf",
    "enforcer",
    "test-data",
    "tests",
    "xtask",
];

/// Crates of this workspace that the kernel's half and the data of its tests must not name, by their names in code.
const FOREIGN: [(&str, &[&str]); 3] = [
    ("enforcer-common", &["enforcer", "enforcer_ebpf", "lab"]),
    ("enforcer-ebpf", &["enforcer", "lab"]),
    (
        "test-data",
        &["enforcer", "enforcer_common", "enforcer_ebpf", "lab"],
    ),
];

/// The modules of `enforcer` in the order of their dependencies: each may use those before it. Modules of one line are independent of one
/// another.
const ROOMS: [&[&str]; 19] = [
    &[
        "name",
        "now",
        "printable",
        "random",
        "serde_message",
        "word_enum",
    ],
    &["file"],
    &["state"],
    &["config"],
    &["https"],
    &["azure"],
    &["resolver"],
    &["policy"],
    &["sources"],
    &["core"],
    &["log_files", "sys"],
    &["bpf"],
    &["daemon"],
    &["control"],
    &["doctor"],
    &["page"],
    &["report"],
    &["prove"],
    &["cli"],
];

/// Checks the crates below `root`, and returns one line for each breach.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn breaches(root: &Path) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for name in CRATES {
        for entry in entries(&root.join(name).join("src"))? {
            let tree = Tree::read(&entry)?;
            let foreign = FOREIGN.iter().filter(|(of, _)| *of == name);
            for (_, crates) in foreign {
                let named = tree.roots().into_iter();
                let named = named.filter(|(_, first)| crates.contains(first));
                breaches.extend(named.map(|(file, first)| {
                    format!("{}: {name} must not use {first}", file.display())
                }));
            }
            let arrows = tree.arrows();
            if name == "enforcer" {
                breaches.extend(backward(&arrows, &root.join("enforcer/src")));
            }
            breaches.extend(circles::of(&arrows));
        }
    }
    let prefix = format!("{}/", root.display());
    Ok(breaches
        .iter()
        .map(|line| line.replace(&prefix, ""))
        .collect())
}

/// The root files of a crate's library and programs.
fn entries(src: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = ["lib.rs", "main.rs"]
        .iter()
        .map(|name| src.join(name))
        .collect();
    for entry in src.join("bin").read_dir().into_iter().flatten() {
        let path = entry.context("cannot read a directory of programs")?.path();
        found.push(if path.is_dir() {
            path.join("main.rs")
        } else {
            path
        });
    }
    found.retain(|path| path.is_file());
    Ok(found)
}

/// Arrows from a room to a later one, or to another of the same line.
fn backward(arrows: &Arrows, src: &Path) -> Vec<String> {
    let mut breaches = Vec::new();
    for ((from, to), path) in arrows {
        let rooms = (room(from, src), room(to, src));
        let (Some(user), Some(used)) = rooms else {
            continue;
        };
        let breach = match (line(&user), line(&used)) {
            _ if user == used => continue,
            (Some(user), Some(used)) if used < user => continue,
            (None, _) => format!("the room {user} has no place in ROOMS of tidy"),
            (_, None) => format!("the room {used} has no place in ROOMS of tidy"),
            _ => format!("{user} must not use {used}"),
        };
        breaches.push(format!(
            "{}: {breach}: {path} is in {}",
            from.display(),
            to.display()
        ));
    }
    breaches
}

/// The module below the crate's root that holds a file; none for the root itself and programs.
fn room(file: &Path, src: &Path) -> Option<String> {
    let first = file.strip_prefix(src).ok()?.components().next()?;
    let name = Path::new(&first).file_stem()?.to_str()?.to_owned();
    (!["lib", "main", "bin"].contains(&name.as_str())).then_some(name)
}

fn line(room: &str) -> Option<usize> {
    ROOMS.iter().position(|rooms| rooms.contains(&room))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backward_of(from: &str, to: &str) -> usize {
        let arrow = ((from.into(), to.into()), "x".to_owned());
        backward(&Arrows::from([arrow]), Path::new("src")).len()
    }

    #[test]
    fn rooms_use_those_before_them_only() {
        assert_eq!(backward_of("src/policy/diff.rs", "src/config/model.rs"), 0);
        assert_eq!(backward_of("src/config/model.rs", "src/policy/diff.rs"), 1);
        assert_eq!(backward_of("src/sys/clock.rs", "src/bpf/maps.rs"), 1);
        assert_eq!(backward_of("src/cli/run.rs", "src/cli/plan.rs"), 0);
    }

    #[test]
    fn a_room_without_a_place_is_a_breach_and_the_root_is_none() {
        assert_eq!(backward_of("src/attic/old.rs", "src/config/model.rs"), 1);
        assert_eq!(backward_of("src/config/model.rs", "src/lib.rs"), 0);
        assert_eq!(backward_of("src/main.rs", "src/cli/mod.rs"), 0);
    }
}
