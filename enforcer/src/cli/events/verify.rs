//! `events verify`: whether the event log was changed.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::format::{count, instant};
use crate::cli::printer::Printer;
use crate::log_files::{Verified, verify as verify_files};

/// Checks the log in `directory`, and prints what it holds.
///
/// # Errors
/// If it cannot be read.
pub(super) fn verify(directory: &Path, printer: &mut Printer) -> Result<Exit> {
    let found = verify_files(directory)
        .with_context(|| format!("cannot read the event log in {}", directory.display()))?;
    let is_whole = found.breaks.is_empty();
    printer.report(&VerifiedText {
        directory: directory.to_owned(),
        found,
    })?;
    Ok(if is_whole { Exit::Done } else { Exit::No })
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EventsVerification"))]
pub(in crate::cli) struct VerifiedText {
    /// The directory of the log.
    directory: PathBuf,
    #[serde(flatten)]
    found: Verified,
}

impl fmt::Display for VerifiedText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.found;
        if found.bytes == 0 {
            return writeln!(formatter, "{}: no event", self.directory.display());
        }
        let time =
            |time: Option<Timestamp>| time.map_or("?".to_owned(), |time| instant(time).to_string());
        writeln!(
            formatter,
            "{}: {} in {}, {} KiB, from {} to {}",
            self.directory.display(),
            count(
                usize::try_from(found.events).unwrap_or(usize::MAX),
                "event",
                "events"
            ),
            count(found.files, "file", "files"),
            found.bytes.div_ceil(1024),
            time(found.first),
            time(found.last),
        )?;
        writeln!(formatter, "SHA-256 of the last line: {}", found.head)?;
        for broken in &found.breaks {
            let (file, line) = (broken.file.display(), broken.line);
            writeln!(formatter, "{file}, line {line}: {}", broken.problem)?;
        }
        formatter.write_str(match found.breaks.as_slice() {
            [] => "unchanged: each line has the hash of the one before\n",
            _ => "CHANGED: compare with the journal, where the daemon logs the hash at each start and stop\n",
        })
    }
}
