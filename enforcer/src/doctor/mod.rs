//! Checks of this host and of a registry, as values; the command line prints them.

pub(crate) mod host;
pub(crate) mod registry;
#[cfg(test)]
pub(crate) mod test_data;

use crate::bpf::{Check, CheckOutcome};

/// Returns [`CheckOutcome::Failed`] where a check failed, else [`CheckOutcome::Ok`]; unknown outcomes do not count.
pub(crate) fn overall(checks: &[Check]) -> CheckOutcome {
    match checks.iter().any(Check::is_failed) {
        true => CheckOutcome::Failed,
        false => CheckOutcome::Ok,
    }
}
