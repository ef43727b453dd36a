//! `tags`: shows the protected set, and imports newer service tags.

mod import;
pub(super) mod imported;

use std::fmt;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::args::{OutputArgs, TagsCommand};
use super::config_file::ConfigFile;
use super::daemon_client::status_if_running;
use super::exit::Exit;
use super::format::{instant, list};
use super::printer::Printer;
use super::table::Table;
use crate::azure::bundle;
use crate::core::AlarmKind;
use crate::core::{Alarm, TagsStatus};
use crate::doctor::host::configuration::read_sources;
use crate::sources::Source;

/// Shows the tags, imports a file, or generates a bundle.
pub(super) fn tags(config: &ConfigFile, command: TagsCommand) -> Result<Exit> {
    match command {
        TagsCommand::Show(output) => show(config, output),
        TagsCommand::Import {
            file,
            force,
            output,
        } => import::import(config, &file, force, output),
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

fn show(config: &ConfigFile, output: OutputArgs) -> Result<Exit> {
    let report = match status_if_running(&config.paths()?)? {
        Some(status) => TagsReport {
            in_force: true,
            concerns: concerns(&status.alarms),
            tags: status.tags,
        },
        None => configured(config.path())?,
    };
    Printer::stdout(output.json).report(&report)?;
    Ok(Exit::Done)
}

fn concerns(alarms: &[Alarm]) -> Vec<String> {
    let kinds = [AlarmKind::TagsReplaced, AlarmKind::TagsForced].map(AlarmKind::word);
    let of_tags = alarms
        .iter()
        .filter(|alarm| kinds.contains(&alarm.kind.as_str()));
    of_tags.map(|alarm| alarm.message.clone()).collect()
}

fn configured(file: &Path) -> Result<TagsReport> {
    let sources = read_sources(Source::File(file.to_owned()))?;
    let concern = sources.tags_concern();
    Ok(TagsReport {
        in_force: false,
        concerns: concern
            .map(|concern| concern.why().to_owned())
            .into_iter()
            .collect(),
        tags: sources.tags_status(),
    })
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct TagsReport {
    /// Whether a daemon runs with them.
    in_force: bool,
    /// Why the tags in force differ from those of their source, or are suspect.
    concerns: Vec<String>,
    #[serde(flatten)]
    tags: TagsStatus,
}

impl fmt::Display for TagsReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = if self.in_force {
            "in force"
        } else {
            "no daemon runs; the configuration names"
        };
        writeln!(formatter, "{head}")?;
        let tags = &self.tags;
        let date = tags.date.as_deref().unwrap_or("not known");
        let age = tags.age_days.map_or(String::new(), |days| {
            format!(" ({days} days old; an alarm after {})", tags.max_age_days)
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
    use crate::core::TagsChange;
    use crate::doctor::test_data;

    #[test]
    fn the_text_has_every_fact_and_concern() {
        let report = TagsReport {
            in_force: true,
            concerns: vec!["old.json: older than the bundle".to_owned()],
            tags: TagsStatus {
                added_by_api: 2,
                changed: Some(TagsChange {
                    at: test_data::at("10:00"),
                    from: 373,
                    to: 375,
                    added: 3,
                    removed: 1,
                    took_ms: 21,
                }),
                ..test_data::status().tags
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
  published  2025-10-28 (65 days old; an alarm after 90)
  bundle     change 375, published 2025-10-28, generated from ServiceTags_Public_20251028.json
  added      2 prefixes of the Discovery API
  switched   2026-01-01T00:10:00Z from change 373 to 375: 3 prefixes came, 1 went, in 21 ms
! old.json: older than the bundle
";
        assert_eq!(report.to_string(), expected);
    }
}
