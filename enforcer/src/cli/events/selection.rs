//! Which events to print.

use std::path::Path;

use ipnet::IpNet;
use jiff::Timestamp;

use crate::cli::args::{SelectionArgs, Since};
use crate::control::{ControlError, client};
use crate::core::EventRecord;
use crate::name::Name;

/// The events that all conditions of the command line select.
pub(in crate::cli) struct Selection<'a> {
    conditions: &'a SelectionArgs,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl<'a> Selection<'a> {
    /// Creates a selection, whose spans end at `now`.
    pub(in crate::cli) fn new(conditions: &'a SelectionArgs, now: Timestamp) -> Self {
        let from = match conditions.since {
            Since::Event(_) => None,
            Since::Time(time) => Some(time.resolve(now)),
        };
        Self {
            conditions,
            from,
            until: conditions.until.map(|time| time.resolve(now)),
        }
    }

    /// Returns the selected events of the daemon: with `--since TIME` also those of earlier daemons.
    ///
    /// # Errors
    /// If the daemon does not run or does not answer.
    pub(in crate::cli) async fn held(
        &self,
        runtime: &Path,
    ) -> Result<Vec<EventRecord>, ControlError> {
        let mut held = Vec::new();
        let mut add = |event| {
            if self.selects(&event) {
                held.push(event);
            }
        };
        match self.from {
            Some(from) => client::history(runtime, from, add).await?,
            None => client::events(runtime, self.after())
                .await?
                .into_iter()
                .for_each(&mut add),
        }
        // Sums of floods are written later than events after them.
        held.sort_by_key(|event| event.sequence);
        Ok(held)
    }

    /// Returns the sequence number after which the selected events begin.
    pub(in crate::cli) fn after(&self) -> u64 {
        match self.conditions.since {
            Since::Event(sequence) => sequence,
            Since::Time(_) => 0,
        }
    }

    pub(in crate::cli) fn selects(&self, event: &EventRecord) -> bool {
        let SelectionArgs {
            unit,
            dest,
            name,
            reason,
            process,
            ..
        } = self.conditions;
        self.from.is_none_or(|from| event.time >= from)
            && self.until.is_none_or(|until| event.time < until)
            && unit.as_ref().is_none_or(|unit| is_of(unit, event))
            && dest.as_ref().is_none_or(|net| goes_to(net, event))
            && name.as_ref().is_none_or(|name| has_name(name, event))
            && reason.as_ref().is_none_or(|reason| event.reason == *reason)
            && process.as_ref().is_none_or(|process| is_by(process, event))
    }
}

/// Whether the event is of this unit, with or without `.service`, or of this container, whose id may be shortened.
fn is_of(unit: &str, event: &EventRecord) -> bool {
    let named = event.unit.as_deref();
    let is_unit = named.is_some_and(|named| {
        named == unit
            || named
                .strip_suffix(".service")
                .is_some_and(|name| name == unit)
    });
    let container = event.container.as_deref();
    is_unit || container.is_some_and(|id| !unit.is_empty() && id.starts_with(unit))
}

fn goes_to(net: &IpNet, event: &EventRecord) -> bool {
    let destination = event.destination.map(|address| address.to_canonical());
    destination.is_some_and(|address| net.contains(&address))
}

/// Whether the destination or the handshake has this name or one below it.
fn has_name(name: &Name, event: &EventRecord) -> bool {
    let server_name = event.server_name.as_ref();
    let server_name = server_name.and_then(|found| found.parse::<Name>().ok());
    let others = server_name.iter().chain(&event.queried_name);
    let mut names = event.names.iter().chain(others);
    names.any(|found| found.is_within(name.as_str()))
}

/// Whether the event is by the process with this command name or id.
fn is_by(process: &str, event: &EventRecord) -> bool {
    let by_id = event.pid.is_some_and(|pid| process == pid.to_string());
    by_id || event.command.as_deref() == Some(process)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::doctor::test_data;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        selection: SelectionArgs,
    }

    fn selects(words: &str, event: &EventRecord) -> bool {
        let words = std::iter::once("events").chain(words.split_ascii_whitespace());
        let line = Line::try_parse_from(words).unwrap();
        Selection::new(&line.selection, test_data::at("20:00")).selects(event)
    }

    #[test]
    fn each_condition_selects() {
        let event = EventRecord {
            server_name: Some("logs.blob.core.windows.net".to_owned()),
            ..test_data::event()
        };
        for (words, selected) in [
            ("", true),
            ("--unit build", true),
            ("--unit build.service", true),
            ("--unit buil", false),
            ("--dest 20.38.98.100", true),
            ("--dest 20.38.98.0/24", true),
            ("--dest 20.38.99.0/24", false),
            ("--dest ::/0", false),
            ("--name blob.core.windows.net", true),
            ("--name s.blob.core.windows.net", false),
            ("--reason storage", true),
            ("--reason registry", false),
            ("--process curl", true),
            ("--process 1234", true),
            ("--process 123", false),
            ("--since 9m", true),
            ("--since 7m", false),
            ("--until 7m", true),
            ("--until 9m", false),
            (
                "--since 2026-01-01T00:12:00Z --until 2026-01-01T00:12:01Z",
                true,
            ),
            ("--unit build --reason registry", false),
        ] {
            assert_eq!(selects(words, &event), selected, "{words}");
        }
    }

    #[test]
    fn a_container_is_found_by_the_beginning_of_its_id() {
        let event = EventRecord {
            container: Some("0123456789abcdef".to_owned()),
            unit: None,
            ..test_data::event()
        };
        assert!(selects("--unit 0123456789ab", &event));
        assert!(!selects("--unit 123", &event));
    }
}
