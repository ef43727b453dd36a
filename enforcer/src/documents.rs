//! Files of the project that are generated from definitions in the program.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Set by `./x man`, which writes the files instead of comparing them.
const WRITE: &str = "EGRESS_ENFORCER_WRITE_DOCUMENTS";

/// A time, in schemas.
pub(crate) struct Time;

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// A prefix in CIDR notation, in schemas.
pub(crate) struct Prefix;

impl JsonSchema for Prefix {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Prefix".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Asserts that the file at `path` in the workspace contains `text`, or writes it there.
#[track_caller]
pub(crate) fn assert_up_to_date(path: &str, text: &str) {
    let file = workspace(path);
    if std::env::var_os(WRITE).is_some() {
        fs::write(&file, text).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == text,
        "{path} is out of date: run ./x man, and commit what it writes"
    );
}

/// Returns the path of a file of the workspace.
pub(crate) fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
