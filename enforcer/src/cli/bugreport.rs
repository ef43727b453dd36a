//! `bugreport`: what a developer needs to know about this host, without secrets.

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::check::plan::{Plan, plan};
use super::config_file::ConfigFile;
use super::daemon_client::{status_if_running, wait_for};
use super::exit::Exit;
use super::printer::Printer;
use crate::control::client;
use crate::core::{EventRecord, Status};
use crate::doctor::Check;
use crate::doctor::host::{self, Host};
use crate::printable::error_chain;
use crate::sys::kernel_release;

/// Maximum number of events, the last ones.
const MOST_EVENTS: usize = 200;

/// The document.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct BugReport {
    time: Timestamp,
    version: &'static str,
    kernel: String,
    machine: &'static str,
    /// What the configuration protects and allows. Its text may contain what does not belong there.
    plan: Part<Plan>,
    doctor: Part<Vec<Check>>,
    status: Part<Option<Status>>,
    events: Part<Vec<EventRecord>>,
    metrics: Part<String>,
}

/// A value, or why it could not be had.
#[derive(Serialize)]
#[serde(untagged)]
enum Part<T> {
    Known(T),
    Unknown { error: String },
}

impl<T> Part<T> {
    fn of<E: Into<anyhow::Error>>(result: Result<T, E>) -> Self {
        match result.map_err(Into::into) {
            Ok(value) => Self::Known(value),
            Err(error) => Self::Unknown {
                error: error_chain(&error),
            },
        }
    }
}

/// Prints one JSON document.
pub(super) fn bugreport(config: &ConfigFile) -> Result<Exit> {
    let paths = config.paths().unwrap_or_default();
    let host = Host {
        file: config.path(),
        is_unconfigured: config.is_missing_default(),
        status: status_if_running(&paths),
        paths: paths.clone(),
    };
    let now = Timestamp::now();
    let doctor = wait_for(host::check(&host, now)).flatten();
    let events = wait_for(client::events(&paths.runtime, 0));
    let metrics = wait_for(client::get_text(&paths.runtime, "/metrics"));
    let report = BugReport {
        time: now,
        version: crate::VERSION,
        kernel: kernel_release(),
        machine: std::env::consts::ARCH,
        plan: Part::of(plan(config.path(), now)),
        doctor: Part::of(doctor),
        events: Part::of(events.and_then(|events| Ok(last(events?)))),
        metrics: Part::of(metrics.and_then(|metrics| Ok(metrics?))),
        status: Part::of(host.status),
    };
    Printer::stdout(true).json(&report)?;
    Ok(Exit::Done)
}

fn last(mut events: Vec<EventRecord>) -> Vec<EventRecord> {
    let skipped = events.len().saturating_sub(MOST_EVENTS);
    events.split_off(skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_events_are_kept() {
        let event = crate::doctor::test_data::event();
        let events = (0..MOST_EVENTS as u64 + 5).map(|sequence| EventRecord {
            sequence,
            ..event.clone()
        });
        let kept = last(events.collect());
        assert_eq!((kept.len(), kept[0].sequence), (MOST_EVENTS, 5));
        assert_eq!(last(vec![event]).len(), 1);
    }
}
