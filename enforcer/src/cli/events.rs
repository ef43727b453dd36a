//! `events`: prints past denials and changes, and with `--follow` new ones.

use std::fmt;

use anyhow::{Context as _, Result};
use serde::Serialize;
use tokio::sync::Notify;

use super::args::EventsArgs;
use super::config_file::ConfigFile;
use super::daemon_client::wait_for;
use super::exit::Exit;
use super::format::{instant, or_dash};
use super::printer::Printer;
use crate::control::client;
use crate::core::EventRecord;
use crate::printable;

/// Prints the events that the daemon holds, and with `--follow` new ones.
pub(super) fn events(config: &ConfigFile, args: &EventsArgs) -> Result<Exit> {
    let runtime = config.paths()?.runtime;
    let mut printer = Printer::stdout(args.json);
    if args.follow {
        wait_for(follow(&runtime, args.since, printer))??;
        return Ok(Exit::Done);
    }
    let held = wait_for(client::events(&runtime, args.since))??;
    printer.report(&EventList(held.into_iter().map(EventLine).collect()))?;
    Ok(Exit::Done)
}

/// Prints new events until the daemon ends or the output is closed.
async fn follow(runtime: &std::path::Path, since: u64, mut printer: Printer) -> Result<()> {
    let stop = Notify::new();
    let mut printed = Ok(());
    let each = |record| {
        if printed.is_ok() {
            printed = printer.item(&EventLine(record));
        }
        if printed.is_err() || printer.is_closed() {
            stop.notify_one();
        }
    };
    tokio::select! {
        followed = client::follow(runtime, since, each) => followed?,
        () = stop.notified() => {}
    }
    printed.context("cannot print")
}

#[derive(Serialize)]
struct EventList(Vec<EventLine>);

impl fmt::Display for EventList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(formatter, "no events");
        }
        self.0
            .iter()
            .try_for_each(|line| writeln!(formatter, "{}", printable::line(&line.to_string())))
    }
}

/// One event: time, verdict, reason, destination, protocol, names, process, unit or container, and the number of denials.
#[derive(Serialize)]
#[serde(transparent)]
struct EventLine(EventRecord);

impl fmt::Display for EventLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(event) = self;
        if let Some(message) = &event.message {
            let time = instant(event.time);
            return write!(
                formatter,
                "{time}  {:5}  {:17}  {message}",
                event.verdict, event.reason
            );
        }
        let names: Vec<&str> = event.names.iter().map(|name| name.as_str()).collect();
        let line = format!(
            "{}  {:5}  {:17}  {:21}  {:4}  {}  {}  {}",
            instant(event.time),
            event.verdict,
            event.reason,
            or_dash(event.target_text().unwrap_or_default()),
            event.protocol,
            or_dash(names.join(",")),
            or_dash(event.process().unwrap_or_default()),
            or_dash(event.place().unwrap_or_default()),
        );
        formatter.write_str(&line)?;
        if let Some(name) = &event.server_name {
            write!(formatter, "  sni {name}")?;
        }
        if event.duplicates > 0 {
            write!(formatter, "  ×{}", event.duplicates.saturating_add(1))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::EventKind;
    use crate::doctor::test_data;

    #[test]
    fn an_event_is_one_aligned_line() {
        let storage = test_data::event();
        let registry = EventRecord {
            verdict: "audit".to_owned(),
            reason: "configured-prefix".to_owned(),
            destination: Some("2603:1030::66".parse().unwrap()),
            port: None,
            protocol: "icmp".to_owned(),
            names: vec![
                "a.azurecr.io".parse().unwrap(),
                "b.azurecr.io".parse().unwrap(),
            ],
            pid: None,
            command: None,
            container: Some("0123456789abcdef".to_owned()),
            duplicates: 0,
            ..test_data::event()
        };
        let note = EventRecord {
            time: storage.time,
            ..EventRecord::note(
                EventKind::Names,
                "contoso.azurecr.io: added westus".to_owned(),
                jiff::Timestamp::UNIX_EPOCH,
            )
        };
        let events = EventList(vec![
            EventLine(storage),
            EventLine(registry),
            EventLine(note),
        ]);
        let expected = "\
2026-01-01T00:12:00Z  deny   storage            20.38.98.100:443       tcp   -  curl(1234)  build.service  ×5
2026-01-01T00:12:00Z  audit  configured-prefix  2603:1030::66          icmp  a.azurecr.io,b.azurecr.io  -  container 0123456789ab
2026-01-01T00:12:00Z  note   names              contoso.azurecr.io: added westus
";
        assert_eq!(events.to_string(), expected);
    }

    #[test]
    fn no_events_have_a_line() {
        assert_eq!(EventList(Vec::new()).to_string(), "no events\n");
    }

    #[test]
    fn json_has_the_fields_of_the_record() {
        let json = serde_json::to_value(EventList(vec![EventLine(test_data::event())])).unwrap();
        assert_eq!(json[0]["executable"], "/usr/bin/curl");
        assert_eq!(json[0]["sequence"], 9);
    }
}
