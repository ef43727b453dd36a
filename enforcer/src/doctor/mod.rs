//! Checks of this host and of a registry, as values; the command line prints them.

mod check;
pub(crate) mod host;
pub(crate) mod registry;
#[cfg(test)]
pub(crate) mod test_data;

pub(crate) use check::overall;
pub(crate) use check::{Check, CheckOutcome};
