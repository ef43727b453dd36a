//! How a command ends.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::printable::{self, error_chain};

/// What a command answers to whoever started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It is done; the answer is yes.
    Done = 0,
    /// The answer is no: denied, invalid, unfit, not enforcing.
    No = 1,
    /// It could not be done.
    Failed = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Says on standard error, in one line, what went wrong.
pub(super) fn complain(problem: impl Display) {
    let line = format!("egress-enforcer: {}", printable::line(&problem.to_string()));
    // Where standard error is closed, nobody listens; the exit code still tells.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// What an error says, one sentence a line: each fault of a configuration, or the chain of causes.
pub(super) fn sentences(error: &anyhow::Error) -> Vec<String> {
    let is_whole = error.chain().count() == 1;
    match error.downcast_ref::<ConfigError>() {
        Some(refused) if is_whole => refused.sentences(),
        _ => vec![error_chain(error)],
    }
}
