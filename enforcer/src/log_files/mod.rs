//! The durable event log: JSON lines in rotated files, each line with the hash of the one before it.
//!
//! A directory has files `events-NUMBER.jsonl`, where `NUMBER` counts the files; the highest is appended to. A line is
//! `{"previous":HASH,"event":EVENT}`: `EVENT` as `events --json` prints it, and `HASH` the SHA-256 of the previous line without its line
//! feed, in lower-case hex; of the first line of all, zeros. The chain continues from file to file. So whoever has one hash can prove that
//! nothing before it was changed or removed, with `sha256sum`.

mod aggregate;
mod append;
mod chain;
mod directory;
mod otlp;
mod read;
mod syslog;
mod verify;

pub(crate) use aggregate::Aggregator;
pub(crate) use append::Appender;
pub(crate) use chain::Entry;
pub(crate) use directory::directory;
pub(crate) use otlp::Otlp;
pub(crate) use read::Reader;
pub(crate) use syslog::Syslog;
pub(crate) use verify::{Verified, verify};

/// Returns the name of this host; `-` if it has none in UTF-8.
fn host_name() -> String {
    let name = nix::unistd::gethostname().ok();
    let name = name.and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests;
