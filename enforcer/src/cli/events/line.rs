//! One event as a line of text.

use std::fmt;

use clap::builder::styling::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::cli::format::{instant, or_dash};
use crate::core::{EventKind, EventRecord};

/// One event: time, sequence number, verdict, reason, destination, protocol, names, process, unit or container, and the number of denials.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct EventLine<'a> {
    pub(super) event: EventRecord,
    #[serde(skip)]
    pub(super) zone: &'a Zone,
}

/// The time zone of printed times.
pub(in crate::cli) enum Zone {
    Utc,
    Local(TimeZone),
}

impl Zone {
    /// Returns UTC, or else this host's time zone.
    pub(in crate::cli) fn new(is_utc: bool) -> Self {
        match is_utc {
            true => Self::Utc,
            false => Self::Local(TimeZone::system()),
        }
    }

    /// Formats a time to the second.
    pub(in crate::cli) fn format(&self, time: Timestamp) -> String {
        match self {
            Self::Utc => instant(time),
            Self::Local(zone) => {
                let local = time.to_zoned_datetime(zone.clone());
                local.strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
            }
        }
    }
}

impl EventLine<'_> {
    /// The names of the columns, aligned with the lines.
    pub(super) fn header(zone: &Zone) -> String {
        let width = zone.format(Timestamp::UNIX_EPOCH).len();
        format!(
            "{:width$}  {:>6}  {:5}  {:17}  {:21}  {:4}  NAMES  PROCESS  UNIT",
            "TIME", "NUMBER", "WHAT", "REASON", "DESTINATION", "PROT"
        )
    }

    /// The colour on a terminal.
    pub(super) fn style(&self) -> Style {
        let kind = self.event.kind();
        if kind == EventKind::Denied {
            return AnsiColor::Red.on_default();
        }
        match kind.is_denial() {
            true => AnsiColor::Yellow.on_default(),
            false => Style::new().dimmed(),
        }
    }
}

impl fmt::Display for EventLine<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, zone } = self;
        let (time, number) = (zone.format(event.time), event.sequence);
        let (verdict, reason) = (&event.verdict, &event.reason);
        if let Some(message) = &event.message {
            return write!(
                formatter,
                "{time}  {number:>6}  {verdict:5}  {reason:17}  {message}"
            );
        }
        let names: Vec<&str> = event.names.iter().map(|name| name.as_str()).collect();
        write!(
            formatter,
            "{time}  {number:>6}  {verdict:5}  {reason:17}  {:21}  {:4}  {}  {}  {}",
            or_dash(event.target_text().unwrap_or_default()),
            event.protocol,
            or_dash(match &event.queried_name {
                Some(name) if names.is_empty() && event.queried_by_other => format!("{name}?"),
                Some(name) if names.is_empty() => name.to_string(),
                Some(_) | None => names.join(","),
            }),
            or_dash(event.process().unwrap_or_default()),
            or_dash(event.place().unwrap_or_default()),
        )?;
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
    use crate::doctor::test_data;

    fn line(event: EventRecord) -> String {
        let zone = &Zone::Utc;
        EventLine { event, zone }.to_string()
    }

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
                Timestamp::UNIX_EPOCH,
            )
        };
        let lines = [
            EventLine::header(&Zone::Utc),
            line(storage),
            line(registry),
            line(note),
        ];
        let expected = "\
TIME                  NUMBER  WHAT   REASON             DESTINATION            PROT  NAMES  PROCESS  UNIT
2026-01-01T00:12:00Z       9  deny   storage            20.38.98.100:443       tcp   -  curl(1234)  build.service  ×5
2026-01-01T00:12:00Z       9  audit  configured-prefix  2603:1030::66          icmp  a.azurecr.io,b.azurecr.io  -  container 0123456789ab
2026-01-01T00:12:00Z       0  note   names              contoso.azurecr.io: added westus";
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn a_local_time_has_its_offset() {
        let zone = Zone::Local(TimeZone::fixed(jiff::tz::offset(-5)));
        let text = zone.format(test_data::at("12:00"));
        assert_eq!(text, "2025-12-31 19:12:00-05:00");
    }
}
