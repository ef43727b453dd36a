//! Text that somebody else chose, safe on a terminal: the one escaper of this program.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Escapes control characters, line breaks among them, and characters that are invisible or change the direction of text (`\u{1b}`), so that
/// the text stays on its line. Quotes and backslashes stay: systemd has them in the names of units.
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

/// Escapes as [`line`] does, and keeps the line breaks.
pub(crate) fn lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(line).collect();
    lines.join("\n")
}

/// Escapes as [`line`] does; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    line(&String::from_utf8_lossy(bytes))
}

/// Escapes a path as [`bytes`] does.
pub(crate) fn path(path: &Path) -> PathBuf {
    bytes(path.as_os_str().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_a_reader_is_escaped() {
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
            assert_eq!(line(expected), expected, "a second time changes nothing");
        }
    }

    #[test]
    fn only_a_text_of_several_lines_keeps_its_line_breaks() {
        assert_eq!(lines("a\n\u{1b}b\r\n"), "a\n\\u{1b}b\\r\n");
        assert_eq!(line("a\nb"), "a\\nb");
    }
}
