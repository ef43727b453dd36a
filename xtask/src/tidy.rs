//! Rules that no other tool checks.

mod arrows;
mod lines;
mod words;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use self::words::Text;
use crate::{env, report::Outcome};

/// Directories that hold what tools make.
const MADE: [&str; 5] = [".git", ".cache", "target", "corpus", "node_modules"];

/// Checks the workspace and prints how it went.
///
/// # Errors
/// As [`workspace`].
pub(crate) fn task() -> Result<()> {
    workspace(env::root()).map(drop)
}

/// Checks every file under `root`.
///
/// # Errors
/// With one line for each breach.
pub(crate) fn workspace(root: &Path) -> Result<Outcome> {
    let mut breaches = Vec::new();
    let mut texts = Vec::new();
    for path in files(root)? {
        // Only text has lines.
        if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
            breaches.extend(lines::breaches(&path, &text));
            breaches.extend(lines::length(&path, &text));
            texts.extend(Text::read(&path, &text));
        }
    }
    for rule in words::rules()? {
        breaches.extend(texts.iter().flat_map(|text| rule.uses(text)));
    }
    breaches.extend(arrows::breaches(root)?);
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

#[cfg(test)]
mod tests {
    use super::*;

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
