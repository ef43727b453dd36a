//! `./x run`: enforces on this host until the command ends.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result};

use crate::{build, env, setup};

/// Sets up, builds, and replaces this process with `egress-enforcer run --ephemeral ARGS`.
///
/// # Errors
/// When set-up or the build fails, or the binary cannot start.
pub(crate) fn task(args: &[String]) -> Result<()> {
    setup::for_build()?;
    let binary = build::release_binary()?;
    let error = env::command(&binary)
        .args(["run", "--ephemeral"])
        .args(args)
        .exec();
    Err(error).with_context(|| format!("cannot start {}", binary.display()))
}
