//! `completions`: prints the completion script for a shell.

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
    String::from_utf8(script).context("the script is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::assert_up_to_date;

    #[test]
    fn the_packaged_scripts_are_up_to_date() {
        for (shell, file) in [
            (Shell::Bash, "egress-enforcer.bash"),
            (Shell::Fish, "egress-enforcer.fish"),
            (Shell::Zsh, "_egress-enforcer"),
        ] {
            assert_up_to_date(
                &format!("packaging/completions/{file}"),
                &script(shell).unwrap(),
            );
        }
    }
}
