//! `completions`: the script that a shell reads.

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use super::args::Arguments;
use super::exit::Exit;
use super::printer::Printer;

/// Prints the completion script for `shell`.
pub(super) fn completions(shell: Shell) -> Result<Exit> {
    Printer::stdout(false).raw(&script(shell)?)?;
    Ok(Exit::Done)
}

fn script(shell: Shell) -> Result<String> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    generate(shell, &mut command, name, &mut script);
    String::from_utf8(script).context("the script is no text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::keep;

    #[test]
    fn the_packages_ship_the_scripts_that_the_program_prints() {
        for (shell, file) in [
            (Shell::Bash, "egress-enforcer.bash"),
            (Shell::Fish, "egress-enforcer.fish"),
            (Shell::Zsh, "_egress-enforcer"),
        ] {
            keep(
                &format!("packaging/completions/{file}"),
                &script(shell).unwrap(),
            );
        }
    }
}
