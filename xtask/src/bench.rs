//! `./x bench`: the measurements.

use anyhow::Result;

use crate::build;

/// Sets up, builds, and replaces this process with the benchmark. It times system calls, so its own build is not optimised.
///
/// # Errors
/// When set-up or a build fails, or the benchmark cannot start.
pub(crate) fn task(args: &[String]) -> Result<()> {
    build::become_lab_program("bench", args)
}
