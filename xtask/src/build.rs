//! The `egress-enforcer` binary.

use std::{os::unix::process::CommandExt as _, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{env, setup, step::Step};

/// Sets up, builds and says where the binary is.
///
/// # Errors
/// When set-up or the build fails.
pub(crate) fn task(release: bool) -> Result<()> {
    setup::for_build()?;
    let binary = if release {
        release_binary()?
    } else {
        dev_binary()?
    };
    println!("{}: {} bytes", binary.display(), binary.metadata()?.len());
    Ok(())
}

/// Builds as for shipping, one static binary that runs on every distribution, and returns its path.
///
/// # Errors
/// When the build fails.
pub(crate) fn release_binary() -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let mut cargo = env::cargo();
    cargo
        .args(["build", "--locked", "--package", "enforcer", "--release"])
        .args(["--target", &target]);
    Step {
        title: "release build of egress-enforcer",
        usual: "3 min, seconds when unchanged",
        log: "build-release",
    }
    .run(&mut cargo)?;
    Ok(env::target().join(target).join("release/egress-enforcer"))
}

/// Sets up the lab, builds the enforcer and the program `name` of the tests crate, and becomes that program.
///
/// # Errors
/// When set-up or a build fails, or the program cannot start.
pub(crate) fn become_lab_program(name: &str, args: &[String]) -> Result<()> {
    setup::for_lab()?;
    let enforcer = release_binary()?;
    let title = format!("build of {name}");
    let mut cargo = env::cargo();
    cargo.args(["build", "--locked", "--package", "enforcer-tests"]);
    cargo.args(["--bin", name]);
    Step {
        title: &title,
        usual: "2 min, seconds when unchanged",
        log: "build-lab-program",
    }
    .run(&mut cargo)?;
    let program = env::target().join("debug").join(name);
    let error = env::command(&program)
        .env("EGRESS_ENFORCER_BIN", enforcer)
        .args(args)
        .exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

fn dev_binary() -> Result<PathBuf> {
    Step {
        title: "build of egress-enforcer",
        usual: "1 min, seconds when unchanged",
        log: "build",
    }
    .run(env::cargo().args(["build", "--locked", "--package", "enforcer"]))?;
    Ok(env::target().join("debug/egress-enforcer"))
}
