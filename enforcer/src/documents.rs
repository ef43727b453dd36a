//! Files of the project that the program's own definitions make.

use std::fs;
use std::path::Path;

/// Set by `./x man`: the files are written anew instead of compared.
const WRITE: &str = "EGRESS_ENFORCER_WRITE_DOCUMENTS";

/// Asserts that the file at `path`, from the workspace, holds `text`; or writes it.
#[track_caller]
pub(crate) fn keep(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os(WRITE).is_some() {
        fs::write(&file, text).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == text,
        "{path} is not what the program says of itself: run ./x man, and commit what it writes"
    );
}
