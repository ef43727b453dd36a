//! `./x soak`: the enforcer for a long time under restarts, upgrades, reloads, changes of devices, floods and bypass attempts.

use std::{os::unix::process::CommandExt as _, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{build, env, setup};

/// The options of the task.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Minutes of steps; the lab's start comes on top
    #[arg(long, value_name = "N", default_value_t = 60)]
    minutes: u64,
    /// Take the steps of an earlier run, which printed this number
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Write the result to a file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Sets up, builds both versions and the lab's programs, and replaces this process with the run.
///
/// # Errors
/// When set-up or a build fails, or the run cannot start.
pub(crate) fn task(options: &Options) -> Result<()> {
    setup::for_lab()?;
    let enforcer = build::release_binary()?;
    let other = build::next_layout_binary()?;
    build::lab_program("egress-stream")?;
    let program = build::lab_program("soak")?;
    let mut soak = env::command(&program);
    soak.env("EGRESS_ENFORCER_BIN", enforcer)
        .env("EGRESS_ENFORCER_BIN_OTHER", other)
        .args(["--minutes", &options.minutes.to_string()]);
    if let Some(seed) = options.seed {
        soak.args(["--seed", &seed.to_string()]);
    }
    if let Some(file) = &options.json {
        soak.arg("--json").arg(file);
    }
    let error = soak.exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
