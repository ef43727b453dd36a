//! What a line of a text file must not hold, and how many lines a file of code may have.

use std::path::Path;

/// Lines a file of code may have.
const MAX_LINES: usize = 300;

/// Files of code that may be longer, each with its reason.
const LONGER: [(&str, &str); 0] = [];

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

/// Checks one file, and returns one line for each breach.
pub(super) fn breaches(path: &Path, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let is_rust = is_of(path, &["rs"]);
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
    breaches
}

/// Returns a line for a file of code that is too long.
pub(super) fn length(path: &Path, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let may_be_longer = LONGER.iter().any(|(longer, _)| path == Path::new(longer));
    let is_code = is_of(path, &["rs", "sh", "py"]);
    (is_code && lines > MAX_LINES && !may_be_longer).then(|| {
        format!(
            "{}: {lines} lines, {MAX_LINES} are enough: split it by subject",
            path.display()
        )
    })
}

fn is_of(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(name: &str, text: &str) -> usize {
        super::breaches(Path::new(name), text).len()
    }

    #[test]
    fn every_forbidden_word_is_found_in_any_text() {
        for (word, _) in FORBIDDEN {
            assert_eq!(
                count("README.md", &format!("see {word} there")),
                1,
                "{word}"
            );
        }
    }

    #[test]
    fn attributes_are_found_where_they_stand_and_not_where_they_are_spoken_of() {
        assert_eq!(
            count("a.rs", "    #[ignore = \"slow\"]\n    #[allow(dead_code)]"),
            2
        );
        assert_eq!(count("a.rs", "// never write #[ignore]"), 0);
        assert_eq!(count("a.md", "#[ignore]"), 0);
    }

    #[test]
    fn only_code_is_too_long() {
        let is_long = |name, lines| length(Path::new(name), &"\n".repeat(lines)).is_some();
        assert!(is_long("a.rs", MAX_LINES + 1));
        assert!(is_long("a.sh", MAX_LINES + 1));
        assert!(!is_long("a.json", MAX_LINES + 1));
        assert!(!is_long("a.rs", MAX_LINES));
    }
}
