//! What a run of checks and tests came to.

use std::{fmt, fs, path::Path, process::Command, time::Instant};

use anyhow::{Result, ensure};

use crate::step::Step;

/// The outcomes so far. A failed step does not end the run.
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
    /// All of it was run and found good.
    Passed,
    /// It found something, or could not do its work.
    Failed,
    /// It could not look at all, for a reason outside the project: never counted as a pass.
    NotRun,
}

/// Tests as cargo's test runner counts them.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
}

impl Report {
    /// Runs a command, counts the tests in its log, and repeats the lines in which a test says that it could not run.
    pub(crate) fn command(&mut self, step: &Step, command: &mut Command) {
        let started = Instant::now();
        let outcome = print_error(step.run(command).map(|_| Outcome::Passed));
        let tests = step
            .log_path()
            .map(|log| read_log(&log))
            .unwrap_or_default();
        self.add(step.title, outcome, started, tests);
    }

    /// Runs a check that is a function.
    pub(crate) fn check(&mut self, title: &str, check: impl FnOnce() -> Result<Outcome>) {
        let started = Instant::now();
        println!("==> {title}");
        let outcome = print_error(check());
        self.add(title, outcome, started, Counts::default());
    }

    /// Prints the table and, last, `N passed, N failed`: the tests, and one failure for each failed step that counted none.
    ///
    /// # Errors
    /// When a step or a test failed, or no test ran.
    pub(crate) fn close(self) -> Result<()> {
        println!("\n{:<58} {:<8} {:>7}", "step", "result", "seconds");
        for row in &self.rows {
            println!(
                "{:<58} {:<8} {:>7.1}",
                row.title,
                row.outcome.to_string(),
                row.seconds
            );
        }
        let total = self.total();
        println!("\n{} passed, {} failed", total.passed, total.failed);
        ensure!(total.failed == 0, "not everything passed: see the table");
        ensure!(total.passed > 0, "no test ran");
        Ok(())
    }

    fn add(&mut self, title: &str, outcome: Outcome, started: Instant, tests: Counts) {
        let seconds = started.elapsed().as_secs_f64();
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
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
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
    for line in text
        .lines()
        .filter(|line| line.trim_start().starts_with("NOT RUN"))
    {
        println!("    {}", line.trim());
    }
    count(&text)
}

/// Sums lines such as `test result: ok. 3 passed; 0 failed; …`, as cargo's test runner prints them.
fn count(log: &str) -> Counts {
    let mut sum = Counts::default();
    for line in log.lines().filter(|line| line.starts_with("test result: ")) {
        sum.passed += number_before(line, " passed;");
        sum.failed += number_before(line, " failed;");
    }
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
                Instant::now(),
                Counts {
                    passed: *passed,
                    failed: *failed,
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
            count(log),
            Counts {
                passed: 15,
                failed: 2
            }
        );
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
                failed: 4
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
