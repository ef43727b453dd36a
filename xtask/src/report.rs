//! Results of a run of checks and tests.

use std::{fmt, fs, path::Path, process::Command, time::Instant};

use anyhow::{Result, ensure};

use crate::step::Step;

/// Outcomes so far. A failed step does not end the run.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

struct Row {
    title: String,
    outcome: Outcome,
    seconds: f64,
    tests: Counts,
}

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it ran and passed.
    Passed,
    /// A test failed, or the step itself.
    Failed,
    /// It could not run, for a reason outside the project; does not count as passed.
    NotRun,
}

/// Tests as cargo's test runner counts them.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Tests that passed and said `NOT RUN`: the runner counts them as passed, this program does not.
    pub(crate) skipped: u64,
}

impl Counts {
    /// Counts the tests in the output of cargo's test runner.
    pub(crate) fn of(log: &str) -> Self {
        count(log, not_run(log).len() as u64)
    }
}

impl Report {
    /// Runs a command, counts the tests in its log, and prints the lines in which a test reports that it could not run.
    pub(crate) fn command(&mut self, step: &Step, command: &mut Command) {
        let started = Instant::now();
        let outcome = print_error(step.run(command).map(|_| Outcome::Passed));
        let tests = step
            .log_path()
            .map(|log| read_log(&log))
            .unwrap_or_default();
        self.add(step.title, outcome, started.elapsed().as_secs_f64(), tests);
    }

    /// Runs a function as a check.
    pub(crate) fn check(&mut self, title: &str, check: impl FnOnce() -> Result<Outcome>) {
        let started = Instant::now();
        println!("==> {title}");
        let outcome = print_error(check());
        self.add(
            title,
            outcome,
            started.elapsed().as_secs_f64(),
            Counts::default(),
        );
    }

    /// Appends the outcomes of another thread.
    pub(crate) fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    /// Adds tests that ran elsewhere.
    pub(crate) fn tests(&mut self, title: &str, good: bool, seconds: f64, tests: Counts) {
        let outcome = if good {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        self.add(title, outcome, seconds, tests);
    }

    /// Prints the table and, last, `N passed, N failed, N skipped`: the tests, and one failure for each failed step
    /// that counted none.
    ///
    /// # Errors
    /// When a step or a test failed, or no test ran.
    pub(crate) fn close(self) -> Result<()> {
        println!(
            "\n{:<52} {:<8} {:>7} {:>7}",
            "step", "result", "tests", "seconds"
        );
        for row in &self.rows {
            let Row {
                title,
                outcome,
                seconds,
                tests,
            } = row;
            println!(
                "{title:<52} {outcome:<8} {:>7} {seconds:>7.1}",
                tests.passed + tests.failed
            );
        }
        let Counts {
            passed,
            failed,
            skipped,
        } = self.total();
        println!("\n{passed} passed, {failed} failed, {skipped} skipped");
        ensure!(failed == 0, "checks or tests failed: see the table");
        ensure!(passed > 0, "no test ran");
        Ok(())
    }

    fn add(&mut self, title: &str, outcome: Outcome, seconds: f64, tests: Counts) {
        self.rows.push(Row {
            title: title.to_owned(),
            outcome,
            seconds,
            tests,
        });
    }

    fn total(&self) -> Counts {
        self.rows.iter().fold(Counts::default(), |sum, row| Counts {
            passed: sum.passed + row.tests.passed,
            failed: sum.failed
                + row
                    .tests
                    .failed
                    .max(u64::from(row.outcome == Outcome::Failed)),
            skipped: sum.skipped + row.tests.skipped,
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotRun => "NOT RUN",
        })
    }
}

fn print_error(outcome: Result<Outcome>) -> Outcome {
    outcome.unwrap_or_else(|error| {
        println!("    FAILED: {error:#}");
        Outcome::Failed
    })
}

fn read_log(log: &Path) -> Counts {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let skipped = not_run(&text);
    for line in &skipped {
        println!("    {line}");
    }
    count(&text, skipped.len() as u64)
}

/// First `NOT RUN` line of each passing test that printed one, with the test's name. With `--show-output`
/// the runner prints a test's output under `---- NAME stdout ----`.
pub(crate) fn not_run(log: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut test = None;
    for line in log.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            test = Some(name);
        } else if line.starts_with("NOT RUN")
            && let Some(name) = test.take()
        {
            found.push(format!("{name}: {line}"));
        } else if line == "failures:" {
            test = None;
        }
    }
    found
}

/// Sums lines such as `test result: ok. 3 passed; 0 failed; …`, as cargo's test runner prints them.
fn count(log: &str, skipped: u64) -> Counts {
    let mut sum = Counts {
        skipped,
        ..Counts::default()
    };
    for line in log.lines().filter(|line| line.starts_with("test result: ")) {
        sum.passed += number_before(line, " passed;");
        sum.failed += number_before(line, " failed;");
    }
    sum.passed = sum.passed.saturating_sub(skipped);
    sum
}

fn number_before(line: &str, word: &str) -> u64 {
    let before = line.split(word).next().unwrap_or_default();
    before
        .rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rows: &[(Outcome, u64, u64)]) -> Report {
        let mut report = Report::default();
        for (outcome, passed, failed) in rows {
            report.add(
                "step",
                *outcome,
                0.0,
                Counts {
                    passed: *passed,
                    failed: *failed,
                    skipped: 0,
                },
            );
        }
        report
    }

    #[test]
    fn test_results_are_summed_over_the_crates() {
        let log = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\nother 9 passed; 9 failed;\n\
                   test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured";
        assert_eq!(
            count(log, 1),
            Counts {
                passed: 14,
                failed: 2,
                skipped: 1
            }
        );
    }

    #[test]
    fn a_test_that_says_it_did_not_run_is_named_once() {
        let log = "---- a::b stdout ----\nNOT RUN: no data here\nNOT RUN: again\n\n---- c stdout ----\nfine\n\n\
                   failures:\nNOT RUN: outside of any test\n";
        assert_eq!(not_run(log), ["a::b: NOT RUN: no data here"]);
    }

    #[test]
    fn a_failed_step_without_a_failed_test_counts_as_one_failure() {
        let total = report(&[
            (Outcome::Passed, 5, 0),
            (Outcome::Failed, 0, 0),
            (Outcome::Failed, 1, 3),
        ])
        .total();
        assert_eq!(
            total,
            Counts {
                passed: 6,
                failed: 4,
                skipped: 0
            }
        );
    }

    #[test]
    fn a_run_without_a_test_is_an_error() {
        assert!(report(&[(Outcome::Passed, 0, 0)]).close().is_err());
        assert!(
            report(&[(Outcome::Passed, 1, 0), (Outcome::NotRun, 0, 0)])
                .close()
                .is_ok()
        );
        assert!(
            report(&[(Outcome::Passed, 1, 0), (Outcome::Failed, 0, 0)])
                .close()
                .is_err()
        );
    }
}
