//! What a build, the lab and the checks need: brought where it is missing, left alone where it is there.

mod apt;
mod tools;

use anyhow::Result;

use crate::{env, step::Step};

/// Linker and C library for every build; LLVM 22 is what bpf-linker links to, and what Rust 1.98 is made with.
const PACKAGES: [&str; 3] = ["gcc", "libc6-dev", tools::LLVM_PACKAGE];

/// Everything.
///
/// # Errors
/// When something cannot be brought; the message names it and what to do.
pub(crate) fn all() -> Result<()> {
    for_lab()?;
    tools::cargo_deny()
}

/// What the lab and the demonstration need.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_lab() -> Result<()> {
    for_build()?;
    lab()
}

/// What a build with kernel programs needs.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_build() -> Result<()> {
    apt::install(&PACKAGES)?;
    tools::bpf_linker()
}

fn lab() -> Result<()> {
    let fetch = env::root().join("tests/lab/fetch.sh");
    if !fetch.exists() {
        return Ok(());
    }
    let step = Step {
        title: "lab servers and clients, into .cache/lab: nothing of them is installed or started on this machine",
        usual: "1 min, a second when already there",
        log: "setup-lab",
    };
    step.run(&mut env::command(fetch)).map(drop)
}
