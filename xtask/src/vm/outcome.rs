//! Outcome of the tests on one kernel, read from the guest's console.

use std::fmt;

use anyhow::Result;

use super::{qemu::Ran, script::PROFILE, suite::Guest};
use crate::report::Counts;

/// Outcome of the tests on one kernel.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Name of the kernel for `./x vm`.
    pub(crate) name: &'static str,
    pub(crate) machine: &'static str,
    /// Kernel release, as `uname -r` prints it.
    pub(crate) release: String,
    /// Version of Debian's package.
    pub(crate) version: String,
    pub(crate) counts: Counts,
    pub(crate) seconds: f64,
    /// Problem besides failed tests: the guest did not boot, hung, or stopped without a result.
    pub(crate) error: Option<String>,
    pub(crate) features: Vec<Feature>,
    pub(crate) costs: Vec<Cost>,
    /// What tests could not try, each once.
    pub(crate) lacking: Vec<String>,
    /// Resident memory of the daemon, in KiB.
    pub(crate) resident: Option<u64>,
    failures: Vec<String>,
}

/// Kernel feature as `tests/tests/kernels` reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Feature {
    pub(crate) is_there: bool,
    pub(crate) since: String,
    pub(crate) name: String,
    pub(crate) purpose: String,
}

/// Verification cost of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Build profile: `release` or `dev`.
    pub(crate) profile: String,
    pub(crate) program: String,
    /// Instructions that the verifier processed on all paths.
    pub(crate) verified: u64,
    pub(crate) instructions: u64,
    /// Instructions that it may process.
    pub(crate) budget: u64,
}

impl Outcome {
    pub(super) fn of(guest: &Guest, ran: Result<Ran>) -> Self {
        let mut outcome = Self {
            name: guest.kernel.name,
            machine: guest.kernel.arch.kernel(),
            release: guest.files.release.clone(),
            version: guest.files.version.clone(),
            counts: Counts::default(),
            seconds: ran.as_ref().map_or(0.0, |ran| ran.seconds),
            error: None,
            features: Vec::new(),
            costs: Vec::new(),
            lacking: Vec::new(),
            resident: None,
            failures: Vec::new(),
        };
        match ran {
            Err(error) => outcome.error = Some(format!("{error:#}")),
            Ok(ran) => {
                outcome.read(&ran.console);
                if ran.result.is_none() {
                    ran.print_tail(outcome.name);
                    outcome.error = Some("it stopped without a result".to_owned());
                } else if ran.result != Some(0) && outcome.counts.failed == 0 {
                    ran.print_tail(outcome.name);
                    outcome.error = Some("a test program failed and counted no failure".to_owned());
                }
            }
        }
        outcome
    }

    /// Whether tests ran, and all of them passed.
    pub(crate) fn is_good(&self) -> bool {
        self.error.is_none() && self.counts.failed == 0 && self.counts.passed > 0
    }

    /// Prints the output of the failed tests.
    pub(crate) fn print_failures(&self) {
        for line in &self.failures {
            println!("    {}: {line}", self.name);
        }
    }

    fn read(&mut self, console: &str) {
        self.counts = Counts::of(console);
        self.lacking = lacking(console);
        self.failures = failures(console);
        let mut profile = String::new();
        for line in console.lines() {
            if let Some(name) = line.strip_prefix(PROFILE) {
                profile = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("EGRESS-FEATURE ") {
                // Both builds of the kernel programs report the same.
                let new = feature(rest).filter(|new| !self.features.contains(new));
                self.features.extend(new);
            } else if let Some(rest) = line.strip_prefix("EGRESS-COST ") {
                self.costs.extend(cost(&profile, rest));
            } else if let Some(rest) = line.strip_prefix("EGRESS-RESIDENT ") {
                self.resident = rest.parse().ok();
            }
        }
    }
}

/// One line for each kernel.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self {
            name,
            release,
            counts,
            seconds,
            ..
        } = self;
        let word = if self.is_good() { "passed" } else { "FAILED" };
        write!(
            f,
            "{name:<11} {release:<27} {word:<7} {} passed, {} failed, {} skipped, {seconds:.0} s",
            counts.passed, counts.failed, counts.skipped
        )?;
        if let Some(resident) = self.resident {
            write!(f, ", daemon {resident} KiB")?;
        }
        match &self.error {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

fn lacking(console: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = console.lines();
    for line in lines.filter_map(|line| line.strip_prefix("NOT RUN: ")) {
        if !found.iter().any(|known| known == line) {
            found.push(line.to_owned());
        }
    }
    found
}

fn feature(rest: &str) -> Option<Feature> {
    let mut fields = rest.split('\t');
    Some(Feature {
        is_there: fields.next()? == "present",
        since: fields.next()?.to_owned(),
        name: fields.next()?.to_owned(),
        purpose: fields.next()?.to_owned(),
    })
}

fn cost(profile: &str, rest: &str) -> Option<Cost> {
    let mut fields = rest.split('\t');
    Some(Cost {
        profile: profile.to_owned(),
        program: fields.next()?.to_owned(),
        verified: fields.next()?.parse().ok()?,
        instructions: fields.next()?.parse().ok()?,
        budget: fields.next()?.parse().ok()?,
    })
}

/// Lines that the test runner prints between its heading and its result.
fn failures(console: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_inside = false;
    for line in console.lines() {
        is_inside = (is_inside || line == "failures:") && !line.starts_with("test result:");
        if is_inside && !line.is_empty() {
            found.push(line.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_their_lines() {
        let expected = Feature {
            is_there: true,
            since: "5.17".to_owned(),
            name: "a loop".to_owned(),
            purpose: "turns".to_owned(),
        };
        assert_eq!(feature("present\t5.17\ta loop\tturns"), Some(expected));
        assert_eq!(feature("present"), None);
        let expected = Cost {
            profile: "dev".to_owned(),
            program: "egress".to_owned(),
            verified: 9,
            instructions: 7,
            budget: 12,
        };
        assert_eq!(cost("dev", "egress\t9\t7\t12"), Some(expected));
        assert_eq!(cost("dev", "egress\t-\t7\t12"), None);
    }

    #[test]
    fn what_could_not_be_tried_is_reported_once() {
        let console = "---- a stdout ----\nNOT RUN: x: this kernel lacks it\nNOT RUN: y: no\n\nNOT RUN: x: this kernel lacks it\n";
        assert_eq!(lacking(console), ["x: this kernel lacks it", "y: no"]);
    }

    #[test]
    fn output_of_failed_tests_is_preserved() {
        let console = "test a ... FAILED\n\nfailures:\n\n---- a stdout ----\nwhy\n\nfailures:\n    a\n\n\
                       test result: FAILED. 1 passed; 1 failed;\nmore\n";
        assert_eq!(
            failures(console),
            [
                "failures:",
                "---- a stdout ----",
                "why",
                "failures:",
                "    a"
            ]
        );
    }
}
