//! `prove`: real attempts, as a table, JSON or a signed page.

use std::fmt;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::Serialize;

use super::args::ProveArgs;
use super::check::diff::in_words;
use super::config_file::ConfigFile;
use super::daemon_client::{events_since, status_if_running};
use super::doctor::mark;
use super::exit::Exit;
use super::printer::Printer;
use super::table::Table;
use crate::doctor::host::configuration::read_sources;
use crate::doctor::{Check, CheckOutcome};
use crate::prove::{InForce, Report, SigningKey, page, verify_hint};
use crate::report::Period;
use crate::sources::Source;
use crate::state::write_whole;

/// Mode of the page's file.
const PAGE: u32 = 0o644;

/// Proves that enforcement works, or says what does not.
pub(super) fn prove(config: &ConfigFile, args: &ProveArgs) -> Result<Exit> {
    // A key that cannot be used is an error before the attempts.
    let key = args.sign.as_deref().map(SigningKey::read).transpose()?;
    let in_force = in_force(config)?;
    let report = crate::prove::prove(&in_force, Timestamp::now())?;
    Printer::stdout(args.output.json).report(&Proof {
        report: &report,
        files: written(&report, args.html.as_deref(), key.as_ref())?,
    })?;
    Ok(match report.outcome {
        CheckOutcome::Ok => Exit::Done,
        CheckOutcome::Failed | CheckOutcome::Unknown => Exit::No,
    })
}

fn in_force(config: &ConfigFile) -> Result<InForce> {
    let paths = config.paths()?;
    let status = status_if_running(&paths)?;
    let events = match &status {
        Some(_) => events_since(&paths, Period::Day.begin(Timestamp::now()))?,
        None => Vec::new(),
    };
    let sources = read_sources(Source::File(config.path().to_owned()))?;
    let differences = status
        .as_ref()
        .map(|status| in_words(status, &sources, Timestamp::now()));
    Ok(InForce {
        file: config.path().to_owned(),
        sources,
        differences: differences.unwrap_or_default(),
        paths,
        status,
        events,
        events_since: |paths, from| events_since(paths, from).unwrap_or_default(),
        refresh: |paths| status_if_running(paths).ok().flatten(),
    })
}

/// Writes the page and its signature; returns a line on each.
fn written(report: &Report, html: Option<&Path>, key: Option<&SigningKey>) -> Result<Vec<String>> {
    let Some(file) = html else {
        return Ok(Vec::new());
    };
    let page = page(report);
    write_whole(file, PAGE, |to| to.write_all(page.as_bytes()))
        .with_context(|| format!("cannot write {}", file.display()))?;
    let mut lines = vec![format!("page: {}", file.display())];
    if let Some(key) = key {
        let place = key.sign(file, page.as_bytes(), report.time)?;
        lines.push(format!("signature: {}", place.display()));
        lines.push(format!("verify it: {}", verify_hint(&place, file)));
    }
    Ok(lines)
}

/// The result, with lines on the written files.
#[derive(Serialize)]
struct Proof<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip)]
    files: Vec<String>,
}

impl fmt::Display for Proof<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.report.parts {
            writeln!(formatter, "what {}", part.title)?;
            let mut table = Table::headless(2);
            for check in &part.checks {
                let mark = mark(check.outcome).to_owned();
                table.row([mark, check.id.clone(), check.message.clone()]);
            }
            write!(formatter, "{table}")?;
        }
        let checks = self.report.parts.iter().flat_map(|part| &part.checks);
        for fix in fixes(checks) {
            writeln!(formatter, "{fix}")?;
        }
        writeln!(formatter, "{}", self.report)?;
        self.files
            .iter()
            .try_for_each(|line| writeln!(formatter, "{line}"))
    }
}

/// Returns each fix once, with the first check that it is for.
fn fixes<'a>(checks: impl Iterator<Item = &'a Check>) -> Vec<String> {
    let mut seen = Vec::new();
    let mut lines = Vec::new();
    for check in checks.filter(|check| !check.is_ok() && !check.fix.is_empty()) {
        if !seen.contains(&&check.fix) {
            seen.push(&check.fix);
            lines.push(format!("fix {}: {}", check.id, check.fix));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fix_is_printed_once() {
        let checks = [
            Check::new("a", false, "no", "do it"),
            Check::new("b", false, "no", "do it"),
            Check::new("c", true, "yes", ""),
            Check::unknown("d", "?", "look"),
        ];
        assert_eq!(fixes(checks.iter()), ["fix a: do it", "fix d: look"]);
    }
}
