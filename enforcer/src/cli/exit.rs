//! Exit codes and error messages.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::printable::{self, error_chain};

/// The exit code of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Success, or the answer is yes.
    Done = 0,
    /// The answer is no: denied, invalid, a check failed, not enforcing.
    No = 1,
    /// The command failed.
    Failed = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints an error on one line of standard error.
pub(super) fn complain(problem: impl Display) {
    let line = format!("egress-enforcer: {}", printable::line(&problem.to_string()));
    // Where standard error is closed, the exit code still reports the error.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Returns the sentences of an error: one for each fault of a configuration, or the chain of causes.
pub(super) fn sentences(error: &anyhow::Error) -> Vec<String> {
    let is_whole = error.chain().count() == 1;
    match error.downcast_ref::<ConfigError>() {
        Some(refused) if is_whole => refused.sentences(),
        _ => vec![error_chain(error)],
    }
}
