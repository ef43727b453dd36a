//! `report`: a day or a week, for a person.

use std::fmt;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::Serialize;

use super::args::{ReportArgs, ReportPeriod};
use super::config_file::ConfigFile;
use super::daemon_client::{events_since, status};
use super::exit::Exit;
use super::format::{count, instant};
use super::printer::Printer;
use super::table::Table;
use crate::report::{Digest, Period, Urgency, page};
use crate::state::write_whole;

/// Prints a report, and with `--html` writes it as a page.
pub(super) fn report(config: &ConfigFile, args: &ReportArgs) -> Result<Exit> {
    let paths = config.paths()?;
    let status = status(&paths)?;
    let period = match args.period {
        ReportPeriod::Day => Period::Day,
        ReportPeriod::Week => Period::Week,
    };
    let now = Timestamp::now();
    let events = events_since(&paths, period.begin(now))?;
    let digest = Digest::of(&status, &events, period, now);
    if let Some(file) = &args.html {
        let page = page(&digest);
        write_whole(file, 0o644, |to| to.write_all(page.as_bytes()))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Printer::stdout(args.output.json).report(&DigestText(&digest))?;
    Ok(Exit::Done)
}

/// A report as text.
#[derive(Serialize)]
struct DigestText<'a>(&'a Digest);

impl fmt::Display for DigestText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = self.0;
        writeln!(
            formatter,
            "{} to {}: {}, {}",
            instant(digest.from),
            instant(digest.time),
            count(
                usize::try_from(digest.denials()).unwrap_or(usize::MAX),
                "denial",
                "denials"
            ),
            count(digest.alarms.len(), "alarm", "alarms"),
        )?;
        for alarm in &digest.alarms {
            writeln!(formatter, "alarm {}: {}", alarm.kind, alarm.message)?;
        }
        let mut units = Table::new(2, ["DENIALS", "UNIT", "VERDICT", "REASON", "LAST"]);
        for unit in &digest.history.units {
            units.row([
                unit.count.to_string(),
                unit.unit.clone(),
                unit.verdict.clone(),
                unit.reason.clone(),
                instant(unit.last),
            ]);
        }
        part(formatter, "by whom", &units, digest.history.units.len())?;
        let mut destinations = Table::new(2, ["DENIALS", "DESTINATION", "NAME"]);
        for one in &digest.destinations {
            let name = one.name.clone().unwrap_or_default();
            destinations.row([one.count.to_string(), one.destination.clone(), name]);
        }
        part(
            formatter,
            "where to",
            &destinations,
            digest.destinations.len(),
        )?;
        let mut changes = Table::headless(2);
        for change in &digest.changes {
            changes.row([instant(change.time), change.message.clone()]);
        }
        part(formatter, "changes", &changes, digest.changes.len())?;
        let mut ages = Table::headless(2);
        let urgent = digest.ages.iter();
        let urgent: Vec<_> = urgent.filter(|age| age.urgency != Urgency::None).collect();
        for age in &urgent {
            ages.row([age.what.clone(), age.state.clone()]);
        }
        part(formatter, "what ages", &ages, urgent.len())
    }
}

/// Writes a part with its title, unless it is empty.
fn part(
    formatter: &mut fmt::Formatter<'_>,
    title: &str,
    table: &Table,
    rows: usize,
) -> fmt::Result {
    match rows {
        0 => Ok(()),
        _ => write!(formatter, "{title}\n{table}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::test_data;

    #[test]
    fn empty_parts_are_left_out() {
        let now = test_data::at("20:00");
        let text = |events: &[_]| {
            let digest = Digest::of(&test_data::status(), events, Period::Day, now);
            DigestText(&digest).to_string()
        };
        let whole = text(&[test_data::event()]);
        assert!(
            whole.contains("5 denials") && whole.contains("by whom\n"),
            "{whole}"
        );
        assert!(whole.contains("build.service"), "{whole}");
        let empty = text(&[]);
        assert!(
            empty.contains("0 denials") && !empty.contains("by whom"),
            "{empty}"
        );
    }
}
