//! A report for a person: what was refused, by whom, what changed and what ages.

mod ages;
mod digest;
mod history;
mod page;

pub(crate) use self::ages::Urgency;
pub(crate) use self::digest::Digest;
pub(crate) use self::history::{History, Period};
#[cfg(test)]
pub(crate) use self::history::{Step, UnitHistory};
pub(crate) use self::page::page;
