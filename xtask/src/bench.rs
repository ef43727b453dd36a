//! The measurements.

use anyhow::Result;

use crate::build::{self, Profile};

/// Sets up, builds and becomes the benchmark, with `args`.
///
/// # Errors
/// When set-up or a build fails, or the benchmark cannot start.
pub(crate) fn task(args: &[String]) -> Result<()> {
    build::become_lab_program("bench", Profile::Release, args)
}
