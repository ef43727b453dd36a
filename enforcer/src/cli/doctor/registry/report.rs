//! What is found, told as it is found.

use std::fmt;
use std::io;

use anyhow::Result;
use serde::Serialize;

use crate::cli::args::OutputArgs;
use crate::cli::doctor::{mark, outcome_of};
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::kernel::{Check, CheckOutcome};
use crate::name::Name;

/// The checks on a registry: to a person one by one, to a program as one document at the end.
pub(super) struct Report {
    document: Document,
    printer: Printer,
    json: bool,
}

#[derive(Serialize)]
struct Document {
    registry: Name,
    outcome: CheckOutcome,
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(registry: Name, output: OutputArgs) -> Self {
        Self {
            document: Document {
                registry,
                outcome: CheckOutcome::Ok,
                checks: Vec::new(),
            },
            printer: Printer::stdout(output.json),
            json: output.json,
        }
    }

    /// Adds a check, and prints it unless JSON is wanted.
    pub(super) fn tell(&mut self, check: Check) -> io::Result<()> {
        if !self.json {
            self.printer.report(&Shown(&check))?;
        }
        self.document.checks.push(check);
        Ok(())
    }

    /// Whether there is a check `id`.
    pub(super) fn tells(&self, id: &str) -> bool {
        self.document.checks.iter().any(|check| check.id == id)
    }

    /// Prints the JSON document, and returns the exit code.
    pub(super) fn finish(mut self) -> Result<Exit> {
        self.document.outcome = outcome_of(&self.document.checks);
        if self.json {
            self.printer.report(&self.document)?;
        }
        Ok(match self.document.outcome {
            CheckOutcome::Failed => Exit::No,
            CheckOutcome::Ok | CheckOutcome::Unknown => Exit::Done,
        })
    }
}

/// Text has printed each check already.
impl fmt::Display for Document {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

#[derive(Serialize)]
struct Shown<'a>(&'a Check);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check {
            id,
            outcome,
            message,
            fix,
        } = self.0;
        let mark = mark(*outcome);
        writeln!(formatter, "{mark:10}  {id}: {message}")?;
        if !fix.is_empty() {
            let fix = fix.replace('\n', "\n            ");
            writeln!(formatter, "            fix: {fix}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_each_finding_with_its_mend_below() {
        let check = Check::new("blobs", false, "come from storage", "turn:\n  1. first");
        let expected = "\
✗ failed    blobs: come from storage
            fix: turn:
              1. first
";
        assert_eq!(Shown(&check).to_string(), expected);
    }

    #[test]
    fn a_program_reads_one_document() {
        let mut report = Report::new(
            "contoso.azurecr.io".parse().unwrap(),
            OutputArgs { json: true },
        );
        for check in [
            Check::new("token", true, "granted", "log in"),
            Check::new("image", false, "gone", "push it"),
            Check::unknown("blobs", "no image is named", "name one"),
        ] {
            report.tell(check).unwrap();
        }
        let json = serde_json::to_value(&report.document).unwrap();
        assert_eq!(json["registry"], "contoso.azurecr.io");
        for (at, outcome, fix) in [
            (0, "ok", ""),
            (1, "failed", "push it"),
            (2, "unknown", "name one"),
        ] {
            assert_eq!(json["checks"][at]["outcome"], outcome);
            assert_eq!(json["checks"][at]["fix"], fix);
        }
        assert_eq!(report.finish().unwrap(), Exit::No);
    }
}
