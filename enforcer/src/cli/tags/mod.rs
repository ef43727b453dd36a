//! `tags`: the service tags that are closed, and where newer ones go.

mod import;

use std::fmt;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::args::{OutputArgs, TagsCommand};
use super::daemon_link::status_if_running;
use super::exit::Exit;
use super::places::Places;
use super::printer::Printer;
use super::table::Table;
use super::words::{instant, list};
use crate::azure::bundle;
use crate::control::{Alarm, TagsStatus};
use crate::daemon::{Options, Source, Sources, TAGS_FORCED, TAGS_REPLACED};

/// Shows the tags, imports a file, or makes a bundle.
pub(super) fn tags(places: &Places, command: TagsCommand) -> Result<Exit> {
    match command {
        TagsCommand::Show(output) => show(places, output),
        TagsCommand::Import {
            file,
            force,
            output,
        } => import::import(places, &file, force, output),
        TagsCommand::Bundle {
            file,
            cloud,
            change_number_is_lower_bound,
        } => {
            let text = bundle::generate(&file, cloud, change_number_is_lower_bound)?;
            Printer::stdout(false).raw(&text)?;
            Ok(Exit::Done)
        }
    }
}

fn show(places: &Places, output: OutputArgs) -> Result<Exit> {
    let shown = match status_if_running(&places.paths()?)? {
        Some(status) => Shown {
            in_force: true,
            concerns: concerns(&status.alarms),
            tags: status.tags,
        },
        None => configured(places.file())?,
    };
    Printer::stdout(output.json).report(&shown)?;
    Ok(Exit::Done)
}

fn concerns(alarms: &[Alarm]) -> Vec<String> {
    let kinds = [TAGS_REPLACED, TAGS_FORCED];
    let of_tags = alarms
        .iter()
        .filter(|alarm| kinds.contains(&alarm.kind.as_str()));
    of_tags.map(|alarm| alarm.message.clone()).collect()
}

fn configured(file: &Path) -> Result<Shown> {
    let sources = Sources::read(&Options {
        source: Source::File(file.to_owned()),
        audit: false,
        ephemeral: false,
        scope: None,
    })?;
    let concern = sources.tags_concern();
    Ok(Shown {
        in_force: false,
        concerns: concern.map(|(_, why)| why.to_owned()).into_iter().collect(),
        tags: sources.tags_status(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown {
    in_force: bool,
    /// Why the tags in force are not those of their source, or should not be.
    concerns: Vec<String>,
    #[serde(flatten)]
    tags: TagsStatus,
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = if self.in_force {
            "in force"
        } else {
            "no daemon runs; the configuration calls for"
        };
        writeln!(formatter, "{head}")?;
        let tags = &self.tags;
        let date = tags.date.as_deref().unwrap_or("not known");
        let age = tags.age_days.map_or(String::new(), |days| {
            format!(" ({days} days old; an alarm from {} on)", tags.max_age_days)
        });
        let prefixes = format!("{} IPv4, {} IPv6", tags.ipv4_prefixes, tags.ipv6_prefixes);
        let mut table = Table::headless(2);
        table.row(["cloud".to_owned(), tags.cloud.clone()]);
        table.row(["tags".to_owned(), list(&tags.names)]);
        table.row(["prefixes".to_owned(), prefixes]);
        if !tags.cidrs.is_empty() {
            table.row(["and".to_owned(), list(&tags.cidrs)]);
        }
        table.row(["from".to_owned(), tags.source.clone()]);
        table.row(["change".to_owned(), tags.change_number.to_string()]);
        table.row(["published".to_owned(), format!("{date}{age}")]);
        if !tags.bundle.is_empty() {
            table.row(["bundle".to_owned(), tags.bundle.clone()]);
        }
        if tags.added_by_api > 0 {
            let added = format!("{} prefixes of the Discovery API", tags.added_by_api);
            table.row(["added".to_owned(), added]);
        }
        if let Some(change) = &tags.changed {
            let change = format!("{} {change}", instant(change.at));
            table.row(["switched".to_owned(), change]);
        }
        write!(formatter, "{table}")?;
        for concern in &self.concerns {
            writeln!(formatter, "! {concern}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample;
    use crate::control::TagsChange;

    #[test]
    fn a_person_reads_what_is_closed_and_how_old_it_is() {
        let shown = Shown {
            in_force: true,
            concerns: vec!["old.json: older than the bundle".to_owned()],
            tags: TagsStatus {
                added_by_api: 2,
                changed: Some(TagsChange {
                    at: sample::at("10:00"),
                    from: 373,
                    to: 375,
                    added: 3,
                    removed: 1,
                    took_ms: 21,
                }),
                ..sample::status().tags
            },
        };
        let expected = "\
in force
  cloud      public
  tags       Storage AzureContainerRegistry
  prefixes   100 IPv4, 50 IPv6
  and        198.51.100.0/24
  from       the bundle in the binary
  change     375
  published  2025-10-28 (65 days old; an alarm from 90 on)
  bundle     change 375, published 2025-10-28, made of ServiceTags_Public_20251028.json
  added      2 prefixes of the Discovery API
  switched   2026-01-01T00:10:00Z from change 373 to 375: 3 prefixes came, 1 went, in 21 ms
! old.json: older than the bundle
";
        assert_eq!(shown.to_string(), expected);
    }
}
