//! Words that the project no longer uses, and what it says in their place.

use std::{
    collections::BTreeMap,
    iter,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use proc_macro2::{TokenStream, TokenTree};

/// One rule a line; its head says what the lines mean.
const RULES: &str = include_str!("words/retired.txt");

/// Files that may use all words: this list, and the one of what was renamed.
const EXEMPT: [&str; 2] = ["xtask/src/tidy/words/retired.txt", "CHANGELOG.md"];

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Words in a row, in prose, identifiers of any case and file names. `*` is any one word.
    Words,
    /// An identifier, in this spelling, in Rust code.
    Name,
    /// A file or directory, by the end of its path without extension.
    File,
}

/// Retired terms that share a replacement.
#[derive(Debug)]
pub(super) struct Rule {
    kind: Kind,
    terms: Vec<String>,
    replacement: String,
}

/// A file as the rules look at it.
#[derive(Debug)]
pub(super) struct Text {
    path: PathBuf,
    /// The words of the path, then those of each line.
    lines: Vec<Vec<Word>>,
    /// Where in `lines` each word is.
    places: BTreeMap<String, Vec<(usize, usize)>>,
    /// The identifiers in Rust code, with how often each occurs.
    names: BTreeMap<String, usize>,
}

/// A word of a line, in lower case.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    text: String,
    /// Whether a space or another sign that parts words in prose stands before it.
    apart: bool,
    /// Whether anything but one joining sign stands before it.
    far: bool,
}

/// The rules of [`RULES`].
///
/// # Errors
/// When a line cannot be read.
pub(super) fn rules() -> Result<Vec<Rule>> {
    let lines = RULES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| Rule::read(line).with_context(|| format!("not a rule: {line}")))
        .collect()
}

impl Rule {
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.split('|').map(str::trim);
        let kind = match parts.next()? {
            "words" => Kind::Words,
            "name" => Kind::Name,
            "file" => Kind::File,
            _ => return None,
        };
        let terms = parts.next()?.split(',');
        let rule = Self {
            kind,
            terms: terms.map(|term| term.trim().to_owned()).collect(),
            replacement: parts.next()?.to_owned(),
        };
        parts.next().is_none().then_some(rule)
    }

    /// One line for each use in one file.
    pub(super) fn uses(&self, text: &Text) -> Vec<String> {
        let shown = |(line, term): (usize, &str)| {
            let (path, replacement) = (text.path.display(), &self.replacement);
            format!("{path}:{line}: retired \"{term}\": write {replacement}")
        };
        let terms = self.terms.iter().map(String::as_str);
        let found = terms.flat_map(|term| match self.kind {
            Kind::Words => text.words(term),
            Kind::Name => text.name(term),
            Kind::File => text.file(term),
        });
        found.map(shown).collect()
    }
}

impl Text {
    /// Reads a file; `None` where the rules do not hold.
    pub(super) fn read(path: &Path, text: &str) -> Option<Self> {
        let is = |extension| path.extension().is_some_and(|other| other == extension);
        if EXEMPT.iter().any(|exempt| path == Path::new(exempt)) || is("json") || is("lock") {
            return None;
        }
        let mut names = BTreeMap::new();
        if is("rs")
            && let Ok(tokens) = text.parse()
        {
            count(tokens, &mut names);
        }
        let name = path.to_string_lossy();
        let lines: Vec<Vec<Word>> = iter::once(&*name).chain(text.lines()).map(split).collect();
        let mut places: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        for (line, words) in lines.iter().enumerate() {
            for (at, word) in words.iter().enumerate() {
                places
                    .entry(word.text.clone())
                    .or_default()
                    .push((line, at));
            }
        }
        Some(Self {
            path: path.to_owned(),
            lines,
            places,
            names,
        })
    }

    fn words<'a>(&self, term: &'a str) -> Vec<(usize, &'a str)> {
        let first = term.split(['-', ' ']).next().unwrap_or(term);
        let places = self.places.get(first).into_iter().flatten();
        let found = places.filter(|(line, at)| starts_with(&self.lines[*line][*at..], term));
        found.map(|(line, _)| (*line, term)).collect()
    }

    fn name<'a>(&self, term: &'a str) -> Vec<(usize, &'a str)> {
        let count = self.names.get(term).copied().unwrap_or_default();
        vec![(0, term); count]
    }

    fn file<'a>(&self, term: &'a str) -> Vec<(usize, &'a str)> {
        let stem = self.path.with_extension("");
        let is_there = stem.ancestors().any(|path| path.ends_with(term));
        vec![(0, term); usize::from(is_there)]
    }
}

fn count(tokens: TokenStream, names: &mut BTreeMap<String, usize>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => *names.entry(ident.to_string()).or_default() += 1,
            TokenTree::Group(group) => count(group.stream(), names),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Whether the words of `term` come first: those it joins with `-` in one identifier, those it parts with a space anywhere.
fn starts_with(words: &[Word], term: &str) -> bool {
    let mut joined = false;
    let mut wanted = term.split_inclusive(['-', ' ']).enumerate();
    wanted.all(|(index, part)| {
        let text = part.trim_end_matches(['-', ' ']);
        let fits = words.get(index).is_some_and(|word| {
            (text == "*" || word.text == text)
                && (index == 0 || !word.far)
                && !(joined && word.apart)
        });
        joined = part.ends_with('-');
        fits
    })
}

/// The words of a line: letters, parted by other signs and where small letters meet a capital.
fn split(line: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut before = ' ';
    let mut between = 0;
    let mut signs = line.chars().peekable();
    while let Some(sign) = signs.next() {
        if sign.is_alphabetic() {
            let is_hump = sign.is_uppercase()
                && (before.is_lowercase() || signs.peek().is_some_and(|next| next.is_lowercase()));
            if between > 0 || is_hump || words.is_empty() {
                words.push(Word {
                    text: String::new(),
                    apart: between > 0 && !matches!(before, '-' | '_'),
                    far: between > 1 || between == 1 && !matches!(before, ' ' | '-' | '_'),
                });
            }
            if let Some(word) = words.last_mut() {
                word.text.extend(sign.to_lowercase());
            }
            between = 0;
        } else {
            between += 1;
        }
        before = sign;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(rule: &str, path: &str, text: &str) -> usize {
        let text = Text::read(Path::new(path), text);
        text.map_or(0, |text| Rule::read(rule).unwrap().uses(&text).len())
    }

    #[test]
    fn every_rule_can_be_read() {
        assert!(!rules().unwrap().is_empty());
    }

    #[test]
    fn words_are_found_in_prose_and_in_identifiers_of_any_case() {
        let rule = "words | quill, over and over | scratch";
        for text in [
            "a quill.",
            "the_quill",
            "MyQuill",
            "QUILL_SIZE",
            "quill::new",
            "over and over",
        ] {
            assert_eq!(uses(rule, "a.rs", text), 1, "{text}");
        }
        for text in ["quillpen", "over, and over", "overandover"] {
            assert_eq!(uses(rule, "a.rs", text), 0, "{text}");
        }
        assert_eq!(uses(rule, "src/quill.rs", ""), 1);
        assert_eq!(uses(rule, "CHANGELOG.md", "quill"), 0);
    }

    #[test]
    fn words_joined_in_a_rule_are_found_joined_only() {
        let rule = "words | not-a-quill | no-quill";
        for text in ["`not-a-quill`", "NotAQuill", "NOT_A_QUILL"] {
            assert_eq!(uses(rule, "a.md", text), 1, "{text}");
        }
        assert_eq!(uses(rule, "a.md", "this is not a quill"), 0);
    }

    #[test]
    fn a_star_is_any_one_word() {
        let rule = "words | lets the * write | does";
        assert_eq!(uses(rule, "a.md", "it lets the quill write that"), 1);
        assert_eq!(uses(rule, "a.md", "it lets the quill to write that"), 0);
    }

    #[test]
    fn names_are_found_in_code_only() {
        let rule = "name | Found | DynamicSources";
        assert_eq!(
            uses(
                rule,
                "a.rs",
                "// Found it\nlet a = Found { b: [Found::new()] };"
            ),
            2
        );
        assert_eq!(uses(rule, "a.rs", "let a = \"Found\"; NotFound"), 0);
        assert_eq!(uses(rule, "a.md", "Found"), 0);
    }

    #[test]
    fn files_are_found_by_the_end_of_their_path() {
        let rule = "file | registry/door, kept | auth";
        assert_eq!(uses(rule, "cli/registry/door.rs", ""), 1);
        assert_eq!(uses(rule, "a/kept.rs", ""), 1);
        assert_eq!(uses(rule, "a/door.rs", ""), 0);
    }
}
