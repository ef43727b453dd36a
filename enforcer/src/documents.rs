//! Files of the project that are generated from definitions in the program.

use std::fs;
use std::path::Path;

/// Set by `./x man`, which writes the files instead of comparing them.
const WRITE: &str = "EGRESS_ENFORCER_WRITE_DOCUMENTS";

/// Asserts that the file at `path` in the workspace contains `text`, or writes it there.
#[track_caller]
pub(crate) fn assert_up_to_date(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os(WRITE).is_some() {
        fs::write(&file, text).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == text,
        "{path} is out of date: run ./x man, and commit what it writes"
    );
}
