//! Text for a terminal: the escaper for text from outside of the program, and error chains.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Escapes control characters, line breaks among them, and characters that are invisible or change the direction of text (`\u{1b}`), so that
/// the text stays on its line. Quotes and backslashes stay: names of systemd units contain them.
pub(crate) fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '"' | '\'' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// Escapes like [`line`], but keeps line breaks.
pub(crate) fn lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(line).collect();
    lines.join("\n")
}

/// Escapes like [`line`]; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    line(&String::from_utf8_lossy(bytes))
}

/// Escapes a path like [`bytes`].
pub(crate) fn path(path: &Path) -> PathBuf {
    bytes(path.as_os_str().as_bytes()).into()
}

/// Returns an error and its causes as one sentence, without the causes whose text the error before them contains already.
pub(crate) fn error_chain(error: &anyhow::Error) -> String {
    let mut chain = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if chain.is_empty() {
            chain = cause;
        } else if !chain.contains(&cause) {
            chain = format!("{chain}: {cause}");
        }
    }
    chain
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn a_chain_contains_each_cause_once() {
        let inner: anyhow::Result<()> = Err(anyhow!("no such file"));
        let error = inner
            .context("cannot read a.toml (no such file)")
            .context("no policy")
            .unwrap_err();
        assert_eq!(
            error_chain(&error),
            "no policy: cannot read a.toml (no such file)"
        );
    }

    #[test]
    fn control_and_bidirectional_characters_are_escaped() {
        for (hostile, expected) in [
            ("plain-Ünit \"q\" it's".as_bytes(), "plain-Ünit \"q\" it's"),
            (b"dev-disk\\x2dby.swap", "dev-disk\\x2dby.swap"),
            (b"a\tb\r\n\x00", "a\\tb\\r\\n\\0"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            (
                "\u{202e}txt.exe\u{2066}".as_bytes(),
                "\\u{202e}txt.exe\\u{2066}",
            ),
            (b"\xc3(", "\u{fffd}("),
        ] {
            assert_eq!(bytes(hostile), expected);
            assert_eq!(line(expected), expected, "escaping twice changes nothing");
        }
    }

    #[test]
    fn lines_keeps_line_breaks_and_line_escapes_them() {
        assert_eq!(lines("a\n\u{1b}b\r\n"), "a\n\\u{1b}b\\r\n");
        assert_eq!(line("a\nb"), "a\\nb");
    }
}
