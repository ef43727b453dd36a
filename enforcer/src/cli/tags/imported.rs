//! The result of `tags import`, as JSON and as text.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// The result of an import.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "TagsImport"))]
pub(in crate::cli) struct Imported {
    /// The file that was written.
    pub(super) place: PathBuf,
    /// The change number of the new tags.
    pub(super) change_number: u32,
    /// When they were published.
    pub(super) date: Option<String>,
    /// Whether they are older than those before.
    pub(super) older: bool,
    /// The change number of those before.
    pub(super) change_number_before: u32,
    /// Where those before came from.
    pub(super) from_before: String,
    /// Why it needed `--force`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) forced: Option<String>,
}

impl fmt::Display for Imported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self
            .date
            .as_ref()
            .map_or(String::new(), |date| format!(", {date}"));
        writeln!(
            formatter,
            "{}: change {}{date} (before: change {}, from {})",
            self.place.display(),
            self.change_number,
            self.change_number_before,
            self.from_before
        )?;
        if let Some(forced) = &self.forced {
            writeln!(
                formatter,
                "imported with --force, so the alarm tags-forced stays raised: {forced}"
            )?;
        }
        let next = if self.older {
            "a running daemon does not switch to older tags: systemctl restart egress-enforcer"
        } else {
            "a running daemon switches within a second: see `egress-enforcer tags show`"
        };
        writeln!(formatter, "{next}")
    }
}
