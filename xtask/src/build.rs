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

/// Builds as for shipping, and returns the binary's path.
///
/// # Errors
/// When the build fails.
pub(crate) fn release_binary() -> Result<PathBuf> {
    Step {
        title: "release build of egress-enforcer",
        usual: "3 min, seconds when unchanged",
        log: "build-release",
    }
    .run(env::cargo().args(["build", "--locked", "--package", "enforcer", "--release"]))?;
    Ok(env::target().join("release/egress-enforcer"))
}

/// Sets up the lab, builds the enforcer and the program `name` of the tests crate, and becomes that program.
///
/// # Errors
/// When set-up or a build fails, or the program cannot start.
pub(crate) fn become_lab_program(name: &str, profile: Profile, args: &[String]) -> Result<()> {
    setup::for_lab()?;
    let enforcer = release_binary()?;
    let (flags, dir): (&[&str], _) = match profile {
        Profile::Dev => (&[], "debug"),
        Profile::Release => (&["--release"], "release"),
    };
    let title = format!("build of {name}");
    let mut cargo = env::cargo();
    cargo
        .args([
            "build",
            "--locked",
            "--package",
            "enforcer-tests",
            "--bin",
            name,
        ])
        .args(flags);
    Step {
        title: &title,
        usual: "2 min, seconds when unchanged",
        log: "build-lab-program",
    }
    .run(&mut cargo)?;
    let program = env::target().join(dir).join(name);
    let error = env::command(&program)
        .env("EGRESS_ENFORCER_BIN", enforcer)
        .args(args)
        .exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

/// How a program is built.
pub(crate) enum Profile {
    /// Fast to build.
    Dev,
    /// Fast to run.
    Release,
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
