//! Rules that no other tool checks, over every text file of the workspace.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::report::Outcome;

/// Lines a file of code may have.
const MAX_LINES: usize = 400;

/// Files of code that may be longer, each with its reason.
const LONGER: [(&str, &str); 0] = [];

/// Directories that hold what tools make.
const MADE: [&str; 5] = [".git", ".cache", "target", "corpus", "node_modules"];

/// Words no file may hold. Written in two halves, so that this file holds none either.
const FORBIDDEN: [(&str, &str); 11] = [
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ho", "me/"), "a path of one machine"),
    (concat!("/tmp", "/w/"), "a path of one machine"),
    (concat!("static.crates", ".io"), "a package registry's host"),
    (concat!("index.crates", ".io"), "a package registry's host"),
    (concat!("pypi", ".org"), "a package registry's host"),
    (concat!("pythonhosted", ".org"), "a package registry's host"),
    (
        concat!("registry.npmjs", ".org"),
        "a package registry's host",
    ),
    (concat!("deb.debian", ".org"), "a package registry's host"),
    (
        concat!("security.debian", ".org"),
        "a package registry's host",
    ),
    (
        concat!("snapshot.debian", ".org"),
        "a package registry's host",
    ),
];

/// Attributes no code may carry, and what to do instead.
const ATTRIBUTES: [(&str, &str); 2] = [
    ("#[ignore", "a test that cannot run says NOT RUN and why"),
    (
        "#[allow(",
        "use #[expect(…, reason = …)], which says when it is no longer needed",
    ),
];

/// Checks every file under `root`.
///
/// # Errors
/// With one line for each breach.
pub(crate) fn workspace(root: &Path) -> Result<Outcome> {
    let mut breaches = Vec::new();
    for path in files(root)? {
        // What is not text has no lines to judge.
        if let Ok(text) = fs::read_to_string(&path) {
            breaches.extend(judge(path.strip_prefix(root).unwrap_or(&path), &text));
        }
    }
    if breaches.is_empty() {
        return Ok(Outcome::Passed);
    }
    bail!("{} breaches:\n{}", breaches.len(), breaches.join("\n"))
}

fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && !MADE.iter().any(|name| entry.file_name() == *name) {
                dirs.push(entry.path());
            } else if kind.is_file() && entry.file_name() != ".git" {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn judge(path: &Path, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    let is_code = is_rust
        || path
            .extension()
            .is_some_and(|extension| extension == "sh" || extension == "py");
    for (index, line) in text.lines().enumerate() {
        let place = format!("{}:{}", path.display(), index + 1);
        for (word, what) in FORBIDDEN.iter().filter(|(word, _)| line.contains(word)) {
            breaches.push(format!("{place}: {word} is {what}"));
        }
        for (attribute, instead) in ATTRIBUTES
            .iter()
            .filter(|(name, _)| is_rust && line.trim_start().starts_with(name))
        {
            breaches.push(format!("{place}: {attribute}: {instead}"));
        }
    }
    let lines = text.lines().count();
    if is_code && lines > MAX_LINES && !LONGER.iter().any(|(longer, _)| path == Path::new(longer)) {
        breaches.push(format!(
            "{}: {lines} lines, {MAX_LINES} are enough: split it by subject",
            path.display()
        ));
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(name: &str, text: &str) -> usize {
        judge(Path::new(name), text).len()
    }

    #[test]
    fn every_forbidden_word_is_found_in_any_text() {
        for (word, _) in FORBIDDEN {
            assert_eq!(
                breaches("README.md", &format!("see {word} there")),
                1,
                "{word}"
            );
        }
    }

    #[test]
    fn attributes_are_found_where_they_stand_and_not_where_they_are_spoken_of() {
        assert_eq!(
            breaches("a.rs", "    #[ignore = \"slow\"]\n    #[allow(dead_code)]"),
            2
        );
        assert_eq!(breaches("a.rs", "// never write #[ignore]"), 0);
        assert_eq!(breaches("a.md", "#[ignore]"), 0);
    }

    #[test]
    fn only_code_is_too_long() {
        let long = "\n".repeat(MAX_LINES + 1);
        assert_eq!(breaches("a.rs", &long), 1);
        assert_eq!(breaches("a.sh", &long), 1);
        assert_eq!(breaches("a.json", &long), 0);
        assert_eq!(breaches("a.rs", &"\n".repeat(MAX_LINES)), 0);
    }

    #[test]
    fn what_tools_make_is_left_out() {
        let dir = std::env::temp_dir().join(format!("tidy-{}", std::process::id()));
        fs::create_dir_all(dir.join("target")).unwrap();
        fs::write(dir.join("target/made.rs"), "").unwrap();
        fs::write(dir.join("kept.rs"), "").unwrap();
        let found = files(&dir).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(found, [dir.join("kept.rs")]);
    }
}
