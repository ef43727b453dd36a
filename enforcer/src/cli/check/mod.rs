//! `check`: validates the configuration as `run` would, and prints the plan.

pub(super) mod diff;
pub(super) mod plan;
mod plan_text;
mod warnings;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use self::diff::Diff;
use self::plan::plan;
use super::args::CheckArgs;
use super::config_file::ConfigFile;
use super::exit::{Exit, complain, sentences};
use super::printer::Printer;
use crate::config::ConfigError;
use crate::printable::error_chain;

/// Validates the configuration and the files that it names; with `--diff`, compares it with the policy in force.
pub(super) fn check(config: &ConfigFile, args: &CheckArgs) -> Result<Exit> {
    let mut printer = Printer::stdout(args.output.json);
    let file = args.diff.as_ref().and_then(Option::as_deref);
    match plan(file.unwrap_or(config.path()), Timestamp::now()) {
        Ok(plan) if args.diff.is_none() => {
            printer.report(&plan)?;
            Ok(Exit::Done)
        }
        Ok(plan) => {
            let diff = Diff::of(config, &plan.config, args.since)?;
            printer.report(&diff)?;
            Ok(if diff.is_weaker() {
                Exit::No
            } else {
                Exit::Done
            })
        }
        Err(error) if is_unreadable(&error) => Err(error),
        Err(error) => {
            let invalid = InvalidConfig {
                valid: false,
                error: error_chain(&error),
                errors: sentences(&error),
            };
            invalid.errors.iter().for_each(complain);
            if args.output.json {
                printer.report(&invalid)?;
            }
            Ok(Exit::No)
        }
    }
}

/// Whether the configuration file itself cannot be read. A missing file that it names makes it invalid.
fn is_unreadable(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ConfigError::Unreadable { .. }))
}

/// Why a configuration would not be accepted.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct InvalidConfig {
    /// Whether the daemon would accept it: false.
    valid: bool,
    /// All `errors` in one text.
    error: String,
    /// Each error in one line.
    errors: Vec<String>,
}

impl std::fmt::Display for InvalidConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(formatter, "{}", self.error)
    }
}
