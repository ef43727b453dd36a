//! `events top`: the most frequent denials.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::line::Zone;
use crate::cli::format::or_dash;
use crate::cli::table::Table;
use crate::core::EventRecord;

/// Denials that agree in who, where and why.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "EventSum"))]
pub(in crate::cli) struct Sum {
    #[serde(flatten)]
    key: Key,
    /// Number of denials.
    count: u64,
    /// The time of the last one.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    last: Timestamp,
}

/// What denials have in common that are summed up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) struct Key {
    /// "deny" or "audit".
    pub(in crate::cli) verdict: String,
    /// The unit, container or cgroup.
    pub(in crate::cli) unit: Option<String>,
    /// The command name.
    pub(in crate::cli) command: Option<String>,
    /// The destination with its port, or the socket option.
    pub(in crate::cli) destination: Option<String>,
    /// The server name, else the allowed names of the destination.
    pub(in crate::cli) name: Option<String>,
    /// The reason of the denials.
    pub(in crate::cli) reason: String,
}

impl Key {
    /// Returns what `event` has in common with others.
    pub(in crate::cli) fn of(event: &EventRecord) -> Self {
        let names: Vec<&str> = event.names.iter().map(|name| name.as_str()).collect();
        let names = (!names.is_empty()).then(|| names.join(","));
        Self {
            verdict: event.verdict.clone(),
            unit: event.place(),
            command: event.command.clone(),
            destination: event.target_text(),
            name: event.wanted_name().map(str::to_owned).or(names),
            reason: event.reason.clone(),
        }
    }

    /// Returns the cells of a table: verdict, unit, process, destination, name and reason.
    pub(in crate::cli) fn cells(&self) -> [String; 6] {
        let cell = |text: &Option<String>| or_dash(text.clone().unwrap_or_default());
        [
            self.verdict.clone(),
            cell(&self.unit),
            cell(&self.command),
            cell(&self.destination),
            cell(&self.name),
            self.reason.clone(),
        ]
    }
}

/// Sums of denials, the most frequent first.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Top<'a> {
    sums: Vec<Sum>,
    #[serde(skip)]
    zone: &'a Zone,
}

impl<'a> Top<'a> {
    /// Sums up the denials among `events`, and keeps the `limit` most frequent.
    pub(super) fn of(events: &[EventRecord], limit: usize, zone: &'a Zone) -> Self {
        let mut sums: BTreeMap<Key, (u64, Timestamp)> = BTreeMap::new();
        for event in events.iter().filter(|event| event.kind().is_denial()) {
            let (count, last) = sums.entry(Key::of(event)).or_default();
            *count = count.saturating_add(event.duplicates.saturating_add(1));
            *last = event.time.max(*last);
        }
        let sums = sums.into_iter();
        let mut sums: Vec<Sum> = sums
            .map(|(key, (count, last))| Sum { key, count, last })
            .collect();
        sums.sort_by_key(|sum| Reverse((sum.count, sum.last)));
        sums.truncate(limit);
        Self { sums, zone }
    }
}

impl fmt::Display for Top<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sums.is_empty() {
            return writeln!(formatter, "no denials");
        }
        let header = [
            "COUNT",
            "LAST",
            "WHAT",
            "UNIT",
            "PROCESS",
            "DESTINATION",
            "NAME",
            "REASON",
        ];
        let mut table = Table::new(0, header);
        for Sum { key, count, last } in &self.sums {
            let [verdict, unit, process, destination, name, reason] = key.cells();
            let (count, last) = (count.to_string(), self.zone.format(*last));
            table.row([
                count,
                last,
                verdict,
                unit,
                process,
                destination,
                name,
                reason,
            ]);
        }
        table.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::EventKind;
    use crate::doctor::test_data;

    fn events() -> Vec<EventRecord> {
        let later = EventRecord {
            time: test_data::at("14:00"),
            pid: Some(99),
            duplicates: 0,
            ..test_data::event()
        };
        let other = EventRecord {
            server_name: Some("mallory.azurecr.io".to_owned()),
            reason: "server-name-unknown".to_owned(),
            duplicates: 6,
            ..test_data::event()
        };
        let note = EventRecord::note(EventKind::Names, "added".to_owned(), Timestamp::UNIX_EPOCH);
        let sum = EventRecord {
            verdict: "deny".to_owned(),
            duplicates: 999,
            unit: Some("flood.service".to_owned()),
            time: test_data::at("13:00"),
            ..EventRecord::note(
                EventKind::Suppressed,
                "many".to_owned(),
                Timestamp::UNIX_EPOCH,
            )
        };
        vec![test_data::event(), other, note, later, sum]
    }

    #[test]
    fn denials_are_summed_by_who_where_and_why() {
        let text = Top::of(&events(), 20, &Zone::Utc).to_string();
        let expected = "\
COUNT  LAST                  WHAT  UNIT           PROCESS  DESTINATION       NAME                REASON
1000   2026-01-01T00:13:00Z  deny  flood.service  -        -                 -                   suppressed
7      2026-01-01T00:12:00Z  deny  build.service  curl     20.38.98.100:443  mallory.azurecr.io  server-name-unknown
6      2026-01-01T00:14:00Z  deny  build.service  curl     20.38.98.100:443  -                   storage
";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_limit_keeps_the_most_frequent() {
        let top = serde_json::to_value(Top::of(&events(), 1, &Zone::Utc)).unwrap();
        assert_eq!(top.as_array().unwrap().len(), 1);
        assert_eq!(top[0]["count"], 1000);
        assert_eq!(top[0]["unit"], "flood.service");
        assert_eq!(Top::of(&[], 1, &Zone::Utc).to_string(), "no denials\n");
    }
}
