//! The command line: reads what is asked, does it, and ends with an exit code that a script can use.

mod args;
mod check;
mod completions;
mod daemon_link;
mod doctor;
mod endpoints;
mod events;
mod exit;
mod explain;
mod log;
#[cfg(test)]
mod manual;
mod places;
mod plan;
mod printer;
mod run;
#[cfg(test)]
mod sample;
mod status;
mod table;
mod tags;
mod unload;
mod words;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use self::args::{Arguments, Command};
use self::exit::{Exit, complain, sentences};
use self::places::Places;

/// Runs the command that the process was started with. A command line that cannot be read ends the process with exit code 2.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let places = Places::new(arguments.config);
    let exit = perform(&places, arguments.command).unwrap_or_else(|error| {
        sentences(&error).iter().for_each(complain);
        Exit::Failed
    });
    exit.into()
}

fn perform(places: &Places, command: Command) -> Result<Exit> {
    match command {
        Command::Run(args) => run::run(places, args),
        Command::Check(output) => check::check(places, output),
        Command::Status(output) => status::status(places, output),
        Command::Explain(args) => explain::explain(places, args),
        Command::Events(args) => events::events(places, &args),
        Command::Endpoints(output) => endpoints::endpoints(places, output),
        Command::Tags(command) => tags::tags(places, command),
        Command::Doctor(args) => doctor::doctor(places, args),
        Command::Unload(output) => unload::unload(places, output),
        Command::Completions { shell } => completions::completions(shell),
    }
}
