//! `completions`: the script that a shell reads.

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use super::args::Arguments;
use super::exit::Exit;
use super::printer::Printer;

/// Prints the completion script for `shell`.
pub(super) fn completions(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    generate(shell, &mut command, name, &mut script);
    let script = String::from_utf8(script).context("the script is no text")?;
    Printer::stdout(false).raw(&script)?;
    Ok(Exit::Done)
}
