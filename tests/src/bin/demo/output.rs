//! The demonstration's output.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Instant,
};

use crate::scenario::{Outcome, Scenario};

/// Prints steps and results, and counts unexpected results.
pub(crate) struct Output {
    started: Instant,
    colour: bool,
    steps: u32,
    checks: u32,
    unexpected: u32,
}

impl Output {
    /// Uses colours on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            steps: 0,
            checks: 0,
            unexpected: 0,
        }
    }

    /// Prints the heading of the next step.
    pub(crate) fn step(&mut self, title: &str) {
        self.steps += 1;
        let heading = format!("{}. {title}", self.steps);
        self.line(format_args!("\n{}", self.bold(&heading)));
    }

    /// Prints a sentence.
    pub(crate) fn say(&self, sentence: impl Display) {
        self.line(format_args!("   {sentence}"));
    }

    /// Prints quoted text: the output of a program or the contents of a file.
    pub(crate) fn quote(&self, text: &str) {
        for line in text.lines() {
            self.line(format_args!("     | {line}"));
        }
    }

    /// Prints the outcome of a scenario.
    pub(crate) fn result(&mut self, scenario: Scenario, outcome: &Outcome, as_expected: bool) {
        let word = format!("{:<8}", outcome.word());
        self.print_check(&word, scenario.title(), as_expected);
        self.line(format_args!("            {}", outcome.detail()));
    }

    /// Prints and counts a condition that must be true.
    pub(crate) fn check(&mut self, holds: bool, sentence: &str) {
        let word = if holds { "yes     " } else { "no      " };
        self.print_check(word, sentence, holds);
    }

    /// Prints the error that aborted the demonstration.
    pub(crate) fn failed(&mut self, error: &anyhow::Error) {
        self.unexpected += 1;
        self.line(format_args!(
            "\n{}",
            self.red("The demonstration was aborted:")
        ));
        self.line(format_args!("{error:#}"));
    }

    /// Prints a line.
    pub(crate) fn line(&self, line: impl Display) {
        // Output to a closed pipe is lost; the exit code still reports the result.
        drop(writeln!(io::stdout(), "{line}"));
    }

    /// Prints the summary and returns the exit code: failure after any unexpected result.
    pub(crate) fn close(&self) -> ExitCode {
        let seconds = self.started.elapsed().as_secs();
        let (checks, unexpected) = (self.checks, self.unexpected);
        if unexpected == 0 {
            let summary = format!("All {checks} checks passed in {seconds} s.");
            self.line(format_args!("\n{}", self.green(&summary)));
            return ExitCode::SUCCESS;
        }
        let summary = format!("{unexpected} of {checks} checks FAILED after {seconds} s.");
        self.line(format_args!("\n{}", self.red(&summary)));
        ExitCode::FAILURE
    }

    fn print_check(&mut self, word: &str, sentence: &str, as_expected: bool) {
        self.checks += 1;
        if as_expected {
            self.line(format_args!("   {} {sentence}", self.green(word)));
        } else {
            self.unexpected += 1;
            let mark = self.red("UNEXPECTED");
            self.line(format_args!("   {} {sentence}  <-- {mark}", self.red(word)));
        }
    }

    fn bold(&self, text: &str) -> String {
        self.styled("1", text)
    }

    fn green(&self, text: &str) -> String {
        self.styled("32", text)
    }

    fn red(&self, text: &str) -> String {
        self.styled("31", text)
    }

    /// Encloses the text in an SGR code (ECMA-48) on a terminal.
    fn styled(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
