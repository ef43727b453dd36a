//! The result of `tags import`, as JSON and as text.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// The result of an import.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Imported {
    pub(super) place: PathBuf,
    pub(super) change_number: u32,
    pub(super) date: Option<String>,
    pub(super) older: bool,
    pub(super) change_number_before: u32,
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
