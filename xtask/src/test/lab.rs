//! The lab's tests.

use std::{fs, panic::resume_unwind, path::PathBuf, thread};

use anyhow::{Context as _, Result, ensure};

use crate::{
    build, env,
    report::{Outcome, Report},
    step::Step,
};

/// Suites that run beside the others, as both halves mostly wait for servers and clients of their own. Together they take as long as the others.
const FIRST: [&str; 3] = ["enforcement", "lifecycle", "names"];

/// Runs all of the lab's tests, in two halves at a time.
pub(super) fn all(report: &mut Report) {
    let Some(binaries) = Binaries::build(report) else {
        return;
    };
    let mut halves = None;
    report.check("suites of the lab", || {
        halves = Some(halves_of(suites()?)?);
        Ok(Outcome::Passed)
    });
    let Some([first, second]) = halves else {
        return;
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            let mut report = Report::default();
            binaries.run(&mut report, "lab tests, first half", &first, &[]);
            report
        });
        binaries.run(report, "lab tests, second half", &second, &[]);
        match first.join() {
            Ok(first) => report.append(first),
            Err(panic) => resume_unwind(panic),
        }
    });
}

/// Runs the lab's tests whose names contain one of `filters`.
pub(super) fn some(report: &mut Report, filters: &[String]) {
    if let Some(binaries) = Binaries::build(report) {
        binaries.run(report, "lab tests", &[], filters);
    }
}

/// Programs that the tests run.
struct Binaries {
    enforcer: PathBuf,
    next: PathBuf,
}

impl Binaries {
    fn build(report: &mut Report) -> Option<Self> {
        let mut built = None;
        report.check("egress-enforcer for the lab", || {
            built = Some(Self {
                enforcer: build::release_binary()?,
                next: build::next_layout_binary()?,
            });
            Ok(Outcome::Passed)
        });
        built
    }

    /// Runs the tests of `targets`, cargo's words for what to test, one at a time: they share the machine's cgroups, and some measure.
    fn run(&self, report: &mut Report, title: &str, targets: &[String], filters: &[String]) {
        let log = format!("test-{}", title.replace([',', ' '], "-").replace("--", "-"));
        report.command(
            &Step {
                title,
                usual: "15 min",
                log: &log,
            },
            env::cargo()
                .env("EGRESS_ENFORCER_BIN", &self.enforcer)
                .env("EGRESS_ENFORCER_BIN_OTHER", &self.next)
                .args(["test", "--locked", "--no-fail-fast"])
                .args(["--package=enforcer-tests", "--target", &env::own_target()])
                .args(targets)
                .args(["--", "--show-output", "--test-threads=1"])
                .args(filters),
        );
    }
}

/// Names of the suites in `tests/tests`.
fn suites() -> Result<Vec<String>> {
    let dir = env::root().join("tests/tests");
    let failed = || format!("cannot list {}", dir.display());
    let mut names = Vec::new();
    for suite in fs::read_dir(&dir).with_context(failed)? {
        let path = suite.with_context(failed)?.path();
        let name = path.file_stem().context("a suite without a name")?;
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Cargo's words for [`FIRST`], and for all other suites and the unit tests.
fn halves_of(suites: Vec<String>) -> Result<[Vec<String>; 2]> {
    let (first, second): (Vec<_>, Vec<_>) = suites
        .into_iter()
        .partition(|name| FIRST.contains(&name.as_str()));
    ensure!(
        first == FIRST,
        "of the suites {FIRST:?}, only {first:?} are in tests/tests"
    );
    let words = |suites: Vec<String>| suites.into_iter().map(|name| format!("--test={name}"));
    let units = ["--lib", "--bins"].map(str::to_owned);
    Ok([
        words(first).collect(),
        units.into_iter().chain(words(second)).collect(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_suite_is_in_one_half() {
        let suites = suites().unwrap();
        let count = suites.len();
        let [first, second] = halves_of(suites).unwrap();
        assert_eq!(first.len(), FIRST.len());
        assert_eq!(first.len() + second.len(), count + 2);
        assert!(
            second.contains(&"--lib".to_owned()) && second.contains(&"--test=bypass".to_owned())
        );
        assert!(halves_of(Vec::new()).is_err());
    }
}
