//! The overview as text.

use std::fmt::{self, Display, Formatter};

use jiff::Timestamp;
use serde::Serialize;

use super::overview::Overview;
use crate::cli::events::Zone;
use crate::cli::format::{age, count, or_dash};
use crate::cli::table::Table;
use crate::printable;

/// The overview for a pipe: all parts, one below the other.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Text<'a> {
    overview: &'a Overview,
    #[serde(skip)]
    zone: &'a Zone,
}

impl<'a> Text<'a> {
    pub(super) fn new(overview: &'a Overview, zone: &'a Zone) -> Self {
        Self { overview, zone }
    }
}

impl Display for Text<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let overview = self.overview;
        for line in [state(overview), counts(overview, self.zone)] {
            writeln!(formatter, "{line}")?;
        }
        for alarm in alarms(overview, self.zone) {
            writeln!(formatter, "{alarm}")?;
        }
        let (denials, names) = (denials(overview, self.zone), names(overview));
        write!(formatter, "\n{denials}\n{names}")
    }
}

/// Returns whether the policy is in force.
pub(super) fn state(overview: &Overview) -> String {
    let text = match &overview.failure {
        Some(failure) => {
            format!(
                "not updated: {failure}. The kernel programs go on as before; the rest is older"
            )
        }
        None => overview.sentence.clone(),
    };
    printable::line(&format!("egress-enforcer {}: {text}", overview.version))
}

/// Returns the time and the numbers of attempts.
pub(super) fn counts(overview: &Overview, zone: &Zone) -> String {
    format!(
        "{}  denied {}, audited {}; {} in the last minute",
        zone.format(overview.time),
        attempts(overview.denied),
        attempts(overview.audited),
        overview.last_minute
    )
}

fn attempts(number: u64) -> String {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    count(number, "attempt", "attempts")
}

/// Returns a line for each alarm.
pub(super) fn alarms(overview: &Overview, zone: &Zone) -> Vec<String> {
    let line = |since: Timestamp, message: &str| {
        let since = zone.format(since);
        format!("alarm since {since}: {}", printable::line(message))
    };
    let alarms = overview.alarms.iter();
    alarms
        .map(|alarm| line(alarm.since, &alarm.message))
        .collect()
}

/// Returns the table of denials.
pub(super) fn denials(overview: &Overview, zone: &Zone) -> Table {
    let header = [
        "1 MIN",
        "10 MIN",
        "LAST",
        "WHAT",
        "UNIT",
        "PROCESS",
        "DESTINATION",
        "NAME",
        "REASON",
    ];
    let mut table = Table::new(0, header);
    for row in &overview.denials {
        let [verdict, unit, process, destination, name, reason] = row.key.cells();
        table.row([
            row.last_minute.to_string(),
            row.count.to_string(),
            zone.format(row.last),
            verdict,
            unit,
            process,
            destination,
            name,
            reason,
        ]);
    }
    table
}

/// Returns the table of names; AGE is the time since DNS first answered with an address, SEEN since it last did.
pub(super) fn names(overview: &Overview) -> Table {
    let header = ["NAME", "KIND", "ADDRESS", "AGE", "SEEN", "STATE"];
    let mut table = Table::new(0, header);
    let ago =
        |time: Option<Timestamp>| or_dash(time.map_or(String::new(), |at| age(at, overview.time)));
    for row in &overview.names {
        let address = row.address.map(|address| address.to_string());
        table.row([
            row.name.clone(),
            row.kind.to_owned(),
            or_dash(address.unwrap_or_default()),
            ago(row.first_seen),
            ago(row.last_seen),
            row.state.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::overview::tests::overview;
    use super::*;

    #[test]
    fn the_text_has_all_parts() {
        let expected = "\
egress-enforcer 0.1.0: enforcing
2026-01-01T00:12:30Z  denied 3 attempts, audited 2 attempts; 5 in the last minute
alarm since 2026-01-01T00:05:00Z: contoso.eastus.data.azurecr.io does not resolve

1 MIN  10 MIN  LAST                  WHAT  UNIT           PROCESS  DESTINATION       NAME  REASON
5      5       2026-01-01T00:12:00Z  deny  build.service  curl     20.38.98.100:443  -     storage

NAME                            KIND       ADDRESS        AGE      SEEN    STATE
contoso.azurecr.io              login      20.42.66.0     12m 29s  2m 35s  ok
contoso.azurecr.io              login      20.42.66.1     12m 29s  2m 35s  snooped
contoso.azurecr.io              login      2603:1030::66  12m 29s  2m 35s  ok
contoso.azurecr.io              login      20.42.66.13    12m 29s  2m 35s  /etc/hosts line 3
contoso.eastus.data.azurecr.io  data       -              -        -       failing since 2026-01-01T00:05:00Z: no resolver answered in time
logs.blob.core.windows.net      exception  -              -        -       not resolved yet
";
        let zone = Zone::Utc;
        assert_eq!(Text::new(&overview(), &zone).to_string(), expected);
    }

    #[test]
    fn what_a_daemon_reports_cannot_control_the_terminal() {
        let mut hostile = overview();
        hostile.alarms[0].message = "a\u{1b}[2J".to_owned();
        hostile.denials[0].key.command = Some("x\ny".to_owned());
        hostile.failure = Some("b\u{9b}".to_owned());
        let text = Text::new(&hostile, &Zone::Utc).to_string();
        assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text}");
        assert!(text.contains("x\\ny"), "{text}");
    }
}
