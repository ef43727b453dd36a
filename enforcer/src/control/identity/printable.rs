//! Text that somebody else chose, safe on a terminal and in JSON.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Control, format and other invisible characters become escapes such as `\u{1b}`, bytes that are not UTF-8 become U+FFFD.
/// Quotes and backslashes stay: systemd has them in the names of units.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(bytes).chars() {
        match character {
            '\\' | '"' | '\'' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// The same for a path.
pub(super) fn path(path: &Path) -> PathBuf {
    text(path.as_os_str().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_a_reader_is_escaped() {
        for (bytes, expected) in [
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
            assert_eq!(text(bytes), expected);
        }
    }
}
