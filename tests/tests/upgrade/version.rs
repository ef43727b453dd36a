//! The two binaries between which the tests change.

use std::path::Path;

use anyhow::{Context as _, Result};
pub(crate) use lab::fixtures::version::{Version, layouts};
use lab::fixtures::{fixture::Fixture, process::run, version};

use crate::{LIMIT, STREAM, UNTIL};

/// Returns the binary under test and the other one.
///
/// # Errors
/// As [`version::both`].
pub(crate) fn both() -> Result<[Version; 2]> {
    version::both(STREAM)
}

/// Starts the daemon of `version` and kills it before step `step`, or after all steps. Returns the number of steps reached.
pub(crate) fn killed_before(version: &Version, fixture: &Fixture, step: usize) -> Result<usize> {
    let step = step.to_string();
    let binary = version.binary.to_str().context("a path in UTF-8")?;
    let command = fixture
        .enforcer
        .command_of(Path::new(UNTIL), [&step, binary, "run"]);
    let made = run(command, LIMIT)?.success()?;
    made.lines()
        .last()
        .context("no number")?
        .parse()
        .context("a number")
}
