//! The demonstration: a registry, a bad actor and the enforcer between them.

use anyhow::Result;

use crate::build;

/// Sets up, builds and becomes the demonstration.
///
/// # Errors
/// When set-up or a build fails, or the demonstration cannot start.
pub(crate) fn task() -> Result<()> {
    build::become_lab_program("demo", &[])
}
