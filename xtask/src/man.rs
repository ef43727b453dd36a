//! Manual pages and completions, written by the tests that otherwise compare them with the program's definitions.

use anyhow::Result;

use crate::{env, step::Step};

/// Writes `docs/man` and `packaging/completions`.
///
/// # Errors
/// When the enforcer cannot be built, or a page contradicts the program.
pub(crate) fn task() -> Result<()> {
    let mut cargo = env::cargo();
    cargo
        .env("EGRESS_ENFORCER_WRITE_DOCUMENTS", "1")
        .args(["test", "--locked", "--package=enforcer", "--lib"])
        .args(["--target", &env::own_target()])
        .args(["--", "manual::", "completions::"]);
    Step {
        title: "manual pages and completions",
        usual: "1 min",
        log: "man",
    }
    .run(&mut cargo)
    .map(drop)
}
