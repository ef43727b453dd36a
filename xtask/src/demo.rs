//! `./x demo`: the demonstration.

use anyhow::Result;

use crate::build;

/// Sets up, builds, and replaces this process with the demonstration.
///
/// # Errors
/// When set-up or a build fails, or the demonstration cannot start.
pub(crate) fn task() -> Result<()> {
    build::become_lab_program("demo", &[])
}
