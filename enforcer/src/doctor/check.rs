//! The result of one check, which the command line prints.

use serde::{Deserialize, Serialize};

/// Result of one check of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Check {
    /// What was checked.
    pub(crate) id: String,
    /// Whether the check passed.
    pub(crate) outcome: CheckOutcome,
    /// What was found.
    pub(crate) message: String,
    /// What to do unless the outcome is [`CheckOutcome::Ok`]; else empty.
    pub(crate) fix: String,
}

/// Outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CheckOutcome {
    /// It passed.
    Ok,
    /// It failed.
    Failed,
    /// The check could not run.
    Unknown,
}

impl Check {
    /// A check that passed or failed; a passed one drops `fix`.
    pub(crate) fn new(id: &str, passed: bool, message: impl Into<String>, fix: &str) -> Self {
        let (outcome, fix) = match passed {
            true => (CheckOutcome::Ok, ""),
            false => (CheckOutcome::Failed, fix),
        };
        Self {
            id: id.to_owned(),
            outcome,
            message: message.into(),
            fix: fix.to_owned(),
        }
    }

    /// A check that could not run; `fix`: how to make it possible.
    pub(crate) fn unknown(id: &str, message: impl Into<String>, fix: &str) -> Self {
        Self {
            outcome: CheckOutcome::Unknown,
            ..Self::new(id, false, message, fix)
        }
    }

    /// Whether the check passed.
    pub(crate) fn is_ok(&self) -> bool {
        self.outcome == CheckOutcome::Ok
    }

    /// Whether the check failed; an unknown outcome is not a failure.
    pub(crate) fn is_failed(&self) -> bool {
        self.outcome == CheckOutcome::Failed
    }
}

/// [`CheckOutcome::Failed`] if a check failed, else [`CheckOutcome::Ok`]; unknown outcomes do not count.
pub(crate) fn overall(checks: &[Check]) -> CheckOutcome {
    match checks.iter().any(Check::is_failed) {
        true => CheckOutcome::Failed,
        false => CheckOutcome::Ok,
    }
}
