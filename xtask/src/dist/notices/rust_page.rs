//! Rust's page about the licences of its standard library: HTML from a template, a heading and the texts for each crate.

use std::collections::BTreeSet;

use super::document::{Part, Text};

/// What the page lists.
pub(super) struct Page {
    /// The library itself.
    pub(super) library: Part,
    /// Crates for any system, of which many only build or test the library.
    pub(super) crates: Vec<Crate>,
}

/// A crate on the page.
pub(super) struct Crate {
    /// As in the names of libraries: `rustc_demangle`.
    pub(super) name: String,
    pub(super) part: Part,
}

/// The crates of a standard library by the files in its directory: `libgimli-7173.rlib`.
pub(super) fn linked(files: &[String]) -> BTreeSet<String> {
    let name = |file: &String| {
        let (name, _) = file.strip_suffix(".rlib")?.rsplit_once('-')?;
        Some(name.strip_prefix("lib")?.to_owned())
    };
    files.iter().filter_map(name).collect()
}

/// Reads the page.
pub(super) fn parts(html: &str) -> Page {
    let mut sections = html.split("<h3>");
    let library = Part {
        name: "Rust's standard library".to_owned(),
        licence: "(MIT OR Apache-2.0) AND Unicode-3.0 AND (Apache-2.0 WITH LLVM-exception)"
            .to_owned(),
        texts: sections.next().map(about).into_iter().collect(),
    };
    Page {
        library,
        crates: sections.filter_map(read_section).collect(),
    }
}

/// Reads the section of a crate, from behind the tag of its heading on.
fn read_section(section: &str) -> Option<Crate> {
    let (heading, body) = section.split_once("</h3>")?;
    let heading = heading.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let (name, version) = heading
        .match_indices('-')
        .map(|(at, _)| (&heading[..at], &heading[at + 1..]))
        .find(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()))?;
    let (_, licence) = body.split_once("<b>License:</b>")?;
    let (licence, _) = licence.split_once("</p>")?;
    Some(Crate {
        name: name.replace('-', "_"),
        part: Part {
            name: format!("{name} {version} (in Rust's standard library)"),
            licence: plain(licence).replace('/', " OR "),
            texts: texts(body),
        },
    })
}

/// What the page says before the crates, without empty lines.
fn about(head: &str) -> Text {
    let (_, body) = head.split_once("<body>").unwrap_or(("", head));
    let text = plain(body);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Text {
        file: "COPYRIGHT-library.html".to_owned(),
        text: lines.collect::<Vec<_>>().join("\n"),
    }
}

fn texts(body: &str) -> Vec<Text> {
    let blocks = body.split("<summary>").skip(1);
    let read = |block: &str| {
        let (file, rest) = block.split_once("</summary>")?;
        let (_, text) = rest.split_once("<pre>")?;
        let (text, _) = text.split_once("</pre>")?;
        Some(Text {
            file: plain(file),
            text: unescaped(text).trim_end().to_owned(),
        })
    };
    blocks.filter_map(read).collect()
}

/// `html` without tags and surrounding white space.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for char in html.chars() {
        match char {
            '<' => is_tag = true,
            '>' if is_tag => is_tag = false,
            _ if is_tag => {}
            _ => text.push(char),
        }
    }
    unescaped(text.trim())
}

fn unescaped(text: &str) -> String {
    let pairs = [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ];
    pairs
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_has_its_licence_and_texts() {
        let html = "<html><body><h2>Short</h2>\n\n  <p>Dual</p>\
            <h3>📦 rustc-demangle-0.1.27</h3><p><b>License:</b> MIT/Apache-2.0</p>\
            <summary><code>LICENSE-MIT</code></summary><pre>\nThe &#34;Software&#34;\n</pre>\
            <h3>📦 none-1.0.0</h3><p><b>License:</b> MIT</p>";
        let page = parts(html);
        assert_eq!(page.library.texts[0].text, "Short\nDual");
        let names: Vec<&str> = page
            .crates
            .iter()
            .map(|found| found.name.as_str())
            .collect();
        assert_eq!(names, ["rustc_demangle", "none"]);
        let demangle = &page.crates[0].part;
        assert!(
            demangle.name.starts_with("rustc-demangle 0.1.27 "),
            "{}",
            demangle.name
        );
        assert_eq!(demangle.licence, "MIT OR Apache-2.0");
        let text = Text {
            file: "LICENSE-MIT".to_owned(),
            text: "\nThe \"Software\"".to_owned(),
        };
        assert_eq!(demangle.texts, [text]);
        assert!(page.crates[1].part.texts.is_empty());
    }

    #[test]
    fn the_crates_of_a_library_are_those_of_its_files() {
        let files = [
            "librustc_demangle-3bb7.rlib",
            "libstd-360d.so",
            "self-contained",
        ];
        let found = linked(&files.map(str::to_owned));
        assert_eq!(found, BTreeSet::from(["rustc_demangle".to_owned()]));
    }
}
