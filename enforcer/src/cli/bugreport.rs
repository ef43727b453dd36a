//! `bugreport`: what a developer needs to know about this host, without secrets.

use std::fs;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

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
/// Stands for what was left out.
const LEFT_OUT: &str = "[left out]";

/// The document.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct BugReport {
    time: Timestamp,
    version: &'static str,
    kernel: String,
    machine: &'static str,
    /// The text of the configuration, without the queries of URLs.
    configuration: Part<String>,
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
    let text = fs::read_to_string(config.path());
    let report = BugReport {
        time: now,
        version: crate::VERSION,
        kernel: kernel_release(),
        machine: std::env::consts::ARCH,
        configuration: Part::of(text.map(|text| without_queries(&text))),
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

/// Replaces what follows the first question mark of each URL: signatures are there. Secrets themselves are in files that the configuration names.
fn without_queries(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let url = line.find("://");
        let query = url.and_then(|url| Some(url + line[url..].find('?')?));
        let Some(query) = query else {
            return line.to_owned();
        };
        let rest = &line[query..];
        let end = rest.find(['"', '\'']).map_or(line.len(), |end| query + end);
        format!("{}?{LEFT_OUT}{}", &line[..query], &line[end..])
    });
    lines.map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_signature_of_a_url_is_reported() {
        let text = "a = \"https://x.example/tags.json?sv=1&sig=secret\" # mirror\nb = 'https://y.example/?sig=secret'\nc = \"what?\"\n";
        let reported = without_queries(text);
        assert!(!reported.contains("secret"), "{reported}");
        assert!(
            reported.contains("tags.json?[left out]\" # mirror"),
            "{reported}"
        );
        assert!(reported.contains("c = \"what?\""), "{reported}");
    }

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
