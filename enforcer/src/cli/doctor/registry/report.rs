//! What is found, told as it is found.

use std::fmt;
use std::io;

use anyhow::Result;
use serde::Serialize;

use crate::cli::args::OutputArgs;
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::kernel::Finding;
use crate::name::Name;

/// The findings on a registry: to a person one by one, to a program as one document at the end.
pub(super) struct Report {
    document: Document,
    printer: Printer,
    json: bool,
}

#[derive(Serialize)]
struct Document {
    registry: Name,
    fit: bool,
    findings: Vec<Finding>,
    /// What could not be found out, and how it can.
    unproved: Vec<String>,
}

impl Report {
    pub(super) fn new(registry: Name, output: OutputArgs) -> Self {
        Self {
            document: Document {
                registry,
                fit: true,
                findings: Vec::new(),
                unproved: Vec::new(),
            },
            printer: Printer::stdout(output.json),
            json: output.json,
        }
    }

    /// Tells a finding; whether it is fit.
    pub(super) fn tell(&mut self, finding: Finding) -> io::Result<bool> {
        let fit = finding.fit;
        if !self.json {
            self.printer.report(&Shown(&finding))?;
        }
        self.document.fit &= fit;
        self.document.findings.push(finding);
        Ok(fit)
    }

    /// Whether there is a finding on `what`.
    pub(super) fn tells(&self, what: &str) -> bool {
        let mut findings = self.document.findings.iter();
        findings.any(|finding| finding.what == what)
    }

    /// Notes what stays open, to be told at the end.
    pub(super) fn leave(&mut self, open: impl Into<String>) {
        self.document.unproved.push(open.into());
    }

    /// Tells the rest, and what all of it comes to.
    pub(super) fn finish(mut self) -> Result<Exit> {
        self.printer.report(&self.document)?;
        Ok(if self.document.fit {
            Exit::Done
        } else {
            Exit::No
        })
    }
}

/// The end of the report: findings stand above it already.
impl fmt::Display for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for open in &self.unproved {
            writeln!(formatter, "? unproved  {open}")?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Shown<'a>(&'a Finding);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            what,
            fit,
            found,
            mend,
        } = self.0;
        let word = if *fit { "✓ fit     " } else { "✗ unfit   " };
        writeln!(formatter, "{word}  {what}: {found}")?;
        if !mend.is_empty() {
            writeln!(
                formatter,
                "            mend: {}",
                mend.replace('\n', "\n            ")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_each_finding_with_its_mend_below() {
        let finding = Finding::new("blobs", false, "come from storage", "turn:\n  1. first");
        let expected = "\
✗ unfit     blobs: come from storage
            mend: turn:
              1. first
";
        assert_eq!(Shown(&finding).to_string(), expected);
    }

    #[test]
    fn a_program_reads_one_document() {
        let mut report = Report::new(
            "contoso.azurecr.io".parse().unwrap(),
            OutputArgs { json: true },
        );
        assert!(
            report
                .tell(Finding::new("token", true, "granted", ""))
                .unwrap()
        );
        assert!(
            !report
                .tell(Finding::new("image", false, "gone", "push it"))
                .unwrap()
        );
        report.leave("the rest");
        let json = serde_json::to_value(&report.document).unwrap();
        assert_eq!(json["registry"], "contoso.azurecr.io");
        assert_eq!(json["fit"], false);
        assert_eq!(json["findings"][1]["mend"], "push it");
        assert_eq!(json["unproved"][0], "the rest");
    }
}
