//! The command line: parses arguments, runs a command, prints its result and ends with an exit code.

mod args;
mod bugreport;
mod check;
mod completions;
mod config_file;
mod console;
mod daemon_client;
mod doctor;
mod endpoints;
mod events;
mod exit;
mod explain;
mod format;
mod log;
#[cfg(test)]
mod manual;
mod metrics;
mod printer;
mod prove;
mod report;
mod run;
mod status;
mod suggest;
mod table;
mod tags;
mod top;
mod unload;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser as _;

use self::args::{Arguments, Command};
use self::config_file::ConfigFile;
use self::exit::{Exit, complain, sentences};

/// Runs the command in the arguments of the process. Invalid arguments end the process with exit code 2.
pub fn main() -> ExitCode {
    exit_of(perform)
}

/// Runs the command in the arguments of the process, if it is one for the second program.
pub fn console_main() -> ExitCode {
    exit_of(|config, command| {
        let Command::Console(command) = command else {
            bail!("`egress-enforcer` has this command: this program has only `report` and `top`");
        };
        console::perform(config, &command)
    })
}

fn exit_of(perform: impl FnOnce(&ConfigFile, Command) -> Result<Exit>) -> ExitCode {
    let arguments = Arguments::parse();
    let config = ConfigFile::new(arguments.config);
    let exit = perform(&config, arguments.command).unwrap_or_else(|error| {
        sentences(&error).iter().for_each(complain);
        Exit::Failed
    });
    exit.into()
}

fn perform(config: &ConfigFile, command: Command) -> Result<Exit> {
    match command {
        Command::Run(args) => run::run(config, args),
        Command::Check(args) => check::check(config, &args),
        Command::Status(output) => status::status(config, output),
        Command::Explain(args) => explain::explain(config, args),
        Command::Events(args) => events::events(config, &args),
        Command::Suggest(args) => suggest::suggest(config, &args),
        Command::Metrics => metrics::metrics(config),
        Command::Endpoints(output) => endpoints::endpoints(config, output),
        Command::Tags(command) => tags::tags(config, command),
        Command::Doctor(args) => doctor::doctor(config, args),
        Command::Prove(args) => prove::prove(config, &args),
        Command::Console(_) => console::replace(),
        Command::Bugreport => bugreport::bugreport(config),
        Command::Unload(args) => unload::unload(config, args),
        Command::Completions { shell } => completions::completions(shell),
    }
}
