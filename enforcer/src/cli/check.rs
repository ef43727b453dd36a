//! `check`: validates as `run` would, and prints the plan.

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::args::OutputArgs;
use super::exit::{Exit, chain, complain, sentences};
use super::places::Places;
use super::plan::plan;
use super::printer::Printer;
use crate::config::ConfigError;

/// Validates the configuration and all that it names.
pub(super) fn check(places: &Places, output: OutputArgs) -> Result<Exit> {
    let mut printer = Printer::stdout(output.json);
    match plan(places.file(), Timestamp::now()) {
        Ok(plan) => {
            printer.report(&plan)?;
            Ok(Exit::Done)
        }
        Err(error) if is_unreadable(&error) => Err(error),
        Err(error) => {
            let refusal = Refusal {
                valid: false,
                error: chain(&error),
                errors: sentences(&error),
            };
            refusal.errors.iter().for_each(complain);
            if output.json {
                printer.report(&refusal)?;
            }
            Ok(Exit::No)
        }
    }
}

/// Whether there is no configuration to judge. A file that the configuration names and that is not there is its fault.
fn is_unreadable(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ConfigError::Unreadable { .. }))
}

#[derive(Serialize)]
struct Refusal {
    valid: bool,
    /// All of `errors` in one text.
    error: String,
    errors: Vec<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(formatter, "{}", self.error)
    }
}
