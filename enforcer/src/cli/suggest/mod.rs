//! `suggest`: the registries and exceptions that would allow what audit mode reported, for the administrator to complete.

mod fragment;
pub(super) mod seen;

use anyhow::Result;
use jiff::Timestamp;

use self::seen::Suggestion;
use super::args::SuggestArgs;
use super::config_file::ConfigFile;
use super::daemon_client::{status, wait_for};
use super::events::Selection;
use super::exit::Exit;
use super::printer::Printer;
use crate::core::{EventRecord, Status};

/// Prints a configuration fragment for the events that the daemon holds.
pub(super) fn suggest(config: &ConfigFile, args: &SuggestArgs) -> Result<Exit> {
    let paths = config.paths()?;
    let selection = Selection::new(&args.selection, Timestamp::now());
    let status = status(&paths)?;
    let mut held = wait_for(selection.held(&paths.runtime))??;
    held.retain(|event| {
        let is_wanted = args.denied || event.verdict == "audit";
        is_wanted && event.kind().is_denial() && !event.is_of_proof()
    });
    let suggestion = Suggestion::of(&held, &status);
    Printer::stdout(args.json).report(&suggestion)?;
    Ok(Exit::Done)
}

/// Returns the configuration fragment that would allow `events`.
pub(super) fn fragment_for(events: &[EventRecord], status: &Status) -> String {
    Suggestion::of(events, status).to_string()
}
