//! Files that hold a secret.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::geteuid;

use super::CredentialProblem;
use crate::file::{open_regular, read_within, utf8};

/// The largest file with a secret that is read, in bytes.
const MAX_FILE: u64 = 64 << 10;
/// The problem of a file that is neither UTF-8 nor UTF-16.
const NO_TEXT: &str = "is not plain text; check the path";

/// Reads a secret of this program: only root and the file's group may read it, and only root may write it.
pub(super) fn read_own(file: &Path) -> Result<String, CredentialProblem> {
    let wrong = |problem: String| CredentialProblem::File {
        file: file.to_owned(),
        problem,
    };
    let (mut opened, length) = open_regular(file).map_err(|error| wrong(unreadable(&error)))?;
    let found = opened
        .metadata()
        .map_err(|error| wrong(unreadable(&error)))?;
    let is_ours = found.uid() == 0 || found.uid() == geteuid().as_raw();
    if !is_ours || found.mode() & 0o027 != 0 {
        return Err(wrong(format!(
            "belongs to user {} with mode {:04o}, so users other than root can read or change it; chown root and chmod 0600 it",
            found.uid(),
            found.mode() & 0o7777
        )));
    }
    if length > MAX_FILE {
        return Err(wrong(
            "is larger than 64 KiB, so it is not a secret; check the path".to_owned(),
        ));
    }
    let mut bytes = Vec::new();
    opened
        .by_ref()
        .take(MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(unreadable(&error)))?;
    text(&bytes).ok_or_else(|| wrong(NO_TEXT.to_owned()))
}

/// Reads a secret that the platform wrote for this program and owns.
pub(super) fn read_shared(file: &Path) -> Result<String, CredentialProblem> {
    let wrong = |problem: String| CredentialProblem::File {
        file: file.to_owned(),
        problem,
    };
    let bytes = read_within(file, MAX_FILE).map_err(|error| wrong(unreadable(&error)))?;
    text(&bytes).ok_or_else(|| wrong(NO_TEXT.to_owned()))
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(utf8(bytes).into_owned()).ok()
}

fn unreadable(error: &io::Error) -> String {
    format!("cannot be read ({error}); check the path and its permissions")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::file::make_fifo;

    #[test]
    fn a_secret_that_others_can_read_or_change_is_refused_with_the_fix() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "x7").unwrap();
        for (mode, is_fine) in [
            (0o600, true),
            (0o400, true),
            (0o640, true),
            (0o644, false),
            (0o660, false),
            (0o604, false),
            (0o602, false),
        ] {
            fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            let result = read_own(file.path());
            assert_eq!(result.is_ok(), is_fine, "{mode:o}");
            if let Err(error) = result {
                let error = error.to_string();
                assert!(error.contains(&format!("mode {mode:04o}")), "{error}");
                assert!(
                    error.ends_with("chmod 0600 it") && !error.contains("x7"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_a_secret() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let utf16 = "\u{feff}x7".encode_utf16().flat_map(u16::to_le_bytes);
        for bytes in [utf16.collect(), "\u{feff}x7".as_bytes().to_vec()] {
            fs::write(file.path(), bytes).unwrap();
            for read in [read_own, read_shared] {
                assert_eq!(read(file.path()).unwrap(), "x7");
            }
        }
    }

    #[test]
    fn special_large_and_binary_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        make_fifo(&at("fifo"));
        fs::write(at("large"), vec![b'a'; 64 * 1024 + 1]).unwrap();
        fs::write(at("binary"), [0xff, 0xfe, 0x00]).unwrap();
        for name in ["fifo", "large", "binary", "none"] {
            if at(name).is_file() {
                fs::set_permissions(at(name), Permissions::from_mode(0o600)).unwrap();
            }
            for read in [read_own, read_shared] {
                assert!(
                    matches!(read(&at(name)), Err(CredentialProblem::File { .. })),
                    "{name}"
                );
            }
        }
    }
}
