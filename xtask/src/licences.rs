//! Licences, sources and security advisories of the dependencies, by cargo-deny; `deny.toml` has the rules.

use std::fs;

use anyhow::Result;

use crate::{env, report::Outcome, step::Step};

/// Licences and sources: the lock file and the unpacked crates are enough for these.
///
/// # Errors
/// When a dependency breaks a rule.
pub(crate) fn rules() -> Result<Outcome> {
    let step = Step {
        title: "cargo-deny reads licences and sources",
        usual: "2 s",
        log: "test-licences",
    };
    step.run(env::cargo().args([
        "deny",
        "--locked",
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]))?;
    Ok(Outcome::Passed)
}

/// Known vulnerabilities: these need the RustSec database, which needs git and a network, or an earlier copy.
///
/// # Errors
/// When a dependency has an advisory.
pub(crate) fn advisories() -> Result<Outcome> {
    let fetched = env::cargo()
        .args(["deny", "fetch", "db"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !fetched && !has_database() {
        println!(
            "    NOT RUN: no advisory database here, and none can be fetched (that takes git and github.com)"
        );
        return Ok(Outcome::NotRun);
    }
    let step = Step {
        title: "cargo-deny reads advisories",
        usual: "2 s",
        log: "test-advisories",
    };
    step.run(env::cargo().args(["deny", "--locked", "check", "--disable-fetch", "advisories"]))?;
    Ok(Outcome::Passed)
}

/// Whether cargo-deny has kept a copy from an earlier fetch, in the place it chooses by itself.
fn has_database() -> bool {
    let Ok(cargo_home) = env::cargo_home() else {
        return false;
    };
    let Ok(entries) = fs::read_dir(cargo_home.join("advisory-dbs")) else {
        return false;
    };
    entries.flatten().any(|entry| entry.path().is_dir())
}
