//! `./x pulls`: pulls by every container engine from every place, while devices come and go and the policy changes.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result};

use crate::{build, env, setup, step::Step};

/// The test that it runs.
const TEST: &str = "long_run::every_pull_by_every_engine_from_every_place_succeeds_under_churn";

/// The options of the task.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Pulls of each engine from each place
    #[arg(long, value_name = "N", default_value_t = 100)]
    count: u32,
}

/// Sets up, builds the enforcer and the test, and replaces this process with the test.
///
/// # Errors
/// When set-up or a build fails, or the run cannot start.
pub(crate) fn task(options: &Options) -> Result<()> {
    setup::for_lab()?;
    let enforcer = build::release_binary()?;
    let step = Step {
        title: "build of the pulls",
        usual: "2 min, seconds when unchanged",
        log: "build-pulls",
    };
    step.run(test().arg("--no-run"))?;
    let mut pulls = test();
    pulls
        .env("EGRESS_ENFORCER_BIN", enforcer)
        .env("EGRESS_LAB_PULLS", options.count.to_string())
        .args(["--quiet", "--", "--exact", "--nocapture", TEST]);
    let error = pulls.exec();
    Err(error).context("cannot start cargo")
}

fn test() -> Command {
    let mut cargo = env::cargo();
    cargo
        .args(["test", "--locked", "--package=enforcer-tests"])
        .args(["--test", "engines", "--target", &env::own_target()]);
    cargo
}
