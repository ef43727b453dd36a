//! The measurements.

use anyhow::Result;

use crate::build;

/// Sets up, builds and becomes the benchmark, with `args`. What it times are system calls, so its own build is not optimised.
///
/// # Errors
/// When set-up or a build fails, or the benchmark cannot start.
pub(crate) fn task(args: &[String]) -> Result<()> {
    build::become_lab_program("bench", args)
}
