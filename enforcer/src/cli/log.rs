//! The log of the daemon: to the journal or to standard error.

mod rate_limit;

use std::env;
use std::fmt::{Debug, Result};
use std::io::{IsTerminal as _, stderr};
use std::os::unix::fs::MetadataExt as _;

use anyhow::Context as _;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

use self::rate_limit::RateLimited;
use crate::printable;

/// Contains device and inode of standard error where systemd connected it to the journal (systemd.exec(5)).
const JOURNAL_STREAM: &str = "JOURNAL_STREAM";

/// Sends the log to the journal where standard error is connected to it, else as text to standard error; either is rate-limited. `verbose` 1
/// adds the details of this program, 2 those of all libraries.
///
/// # Errors
/// Where a log is set up already, or the thread of the rate limit cannot be started.
pub(super) fn start(verbose: u8) -> anyhow::Result<()> {
    let registry = registry().with(filter(verbose));
    let journal = is_connected_to_journal().then(tracing_journald::layer);
    let started = if let Some(Ok(journal)) = journal {
        let journal = journal
            .with_syslog_identifier("egress-enforcer".to_owned())
            .with_field_prefix(None);
        registry.with(RateLimited::new(journal)?).try_init()
    } else {
        let text = fmt::layer()
            .fmt_fields(debug_fn(write_field))
            .with_writer(stderr)
            .with_ansi(stderr().is_terminal())
            .with_target(verbose > 0);
        registry.with(RateLimited::new(text)?).try_init()
    };
    started.context("cannot start the log")
}

/// Writes the message and its fields on one line, without the fields for the journal, which the message contains.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> Result {
    let shown = || printable::line(&format!("{value:?}"));
    match field.name() {
        "message" => writer.write_str(&shown()),
        name if name == "message_id" || name.starts_with("egress_") => Ok(()),
        name => write!(writer, " {name}={}", shown()),
    }
}

fn filter(verbose: u8) -> Targets {
    let (own, others) = match verbose {
        0 => (LevelFilter::INFO, LevelFilter::WARN),
        1 => (LevelFilter::DEBUG, LevelFilter::INFO),
        _ => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    Targets::new()
        .with_default(others)
        .with_target("enforcer", own)
}

/// Compares the variable with standard error, because children of a service inherit the variable even where their standard error is another.
fn is_connected_to_journal() -> bool {
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else {
        return false;
    };
    env::var(JOURNAL_STREAM)
        .is_ok_and(|named| named == format!("{}:{}", stderr.dev(), stderr.ino()))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = fmt::layer()
            .fmt_fields(debug_fn(write_field))
            .with_writer(file.reopen().unwrap())
            .with_ansi(false);
        tracing::subscriber::with_default(registry().with(text), || {
            let unit = "a\u{1b}[2J.service";
            tracing::warn!(%unit, "the exception \"logs\nINFO all is well\" has ended");
        });
        let written = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(written.lines().count(), 1, "{written}");
        assert!(written.contains("logs\\nINFO"), "{written}");
        assert!(written.contains("unit=a\\u{1b}[2J.service"), "{written}");
    }

    #[test]
    fn libraries_log_less_than_this_program() {
        assert!(filter(0).would_enable("enforcer::daemon", &Level::INFO));
        assert!(!filter(0).would_enable("enforcer::daemon", &Level::DEBUG));
        assert!(!filter(0).would_enable("hickory_net", &Level::INFO));
        assert!(filter(1).would_enable("enforcer::daemon", &Level::DEBUG));
        assert!(filter(2).would_enable("hickory_net", &Level::TRACE));
    }
}
