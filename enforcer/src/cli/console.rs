//! The commands for people, which a second program has so that the daemon's stays small.

use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::args::ConsoleCommand;
use super::config_file::ConfigFile;
use super::exit::Exit;
use super::{report, top};

/// The program; it is beside this one.
const PROGRAM: &str = "egress-enforcer-console";

/// Replaces this process with the second program, which parses the same arguments.
///
/// # Errors
/// If it cannot be started.
pub(super) fn replace() -> Result<Exit> {
    let own = std::env::current_exe().context("cannot find the path of this program")?;
    let program = own.with_file_name(PROGRAM);
    let error = Command::new(&program)
        .args(std::env::args_os().skip(1))
        .exec();
    if error.kind() == ErrorKind::NotFound {
        bail!(
            "this command is part of {PROGRAM}, which is not beside {}: install the whole package",
            own.display()
        );
    }
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

/// Performs a command in the second program.
///
/// # Errors
/// If it fails.
pub(super) fn perform(config: &ConfigFile, command: &ConsoleCommand) -> Result<Exit> {
    match command {
        ConsoleCommand::Report(args) => report::report(config, args),
        ConsoleCommand::Top(args) => top::top(config, args),
    }
}
