//! What the audience reads.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Instant,
};

use crate::scenario::{Outcome, Scenario};

/// Prints, and keeps count of what went otherwise than it should.
pub(crate) struct Output {
    started: Instant,
    colour: bool,
    steps: u32,
    checks: u32,
    unexpected: u32,
}

impl Output {
    /// Colours on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            steps: 0,
            checks: 0,
            unexpected: 0,
        }
    }

    /// Begins the next act.
    pub(crate) fn step(&mut self, title: &str) {
        self.steps += 1;
        let heading = format!("{}. {title}", self.steps);
        self.line(format_args!("\n{}", self.bold(&heading)));
    }

    /// A plain sentence.
    pub(crate) fn say(&self, sentence: impl Display) {
        self.line(format_args!("   {sentence}"));
    }

    /// What a program printed or a file holds.
    pub(crate) fn quote(&self, text: &str) {
        for line in text.lines() {
            self.line(format_args!("     | {line}"));
        }
    }

    /// The outcome of one try.
    pub(crate) fn result(&mut self, scenario: Scenario, outcome: &Outcome, as_expected: bool) {
        let word = format!("{:<8}", outcome.word());
        self.judged(&word, scenario.title(), as_expected);
        self.line(format_args!("            {}", outcome.detail()));
    }

    /// Something that has to be so.
    pub(crate) fn check(&mut self, holds: bool, sentence: &str) {
        let word = if holds { "yes     " } else { "no      " };
        self.judged(word, sentence, holds);
    }

    /// An end before the end.
    pub(crate) fn failed(&mut self, error: &anyhow::Error) {
        self.unexpected += 1;
        self.line(format_args!(
            "\n{}",
            self.red("The demonstration broke off:")
        ));
        self.line(format_args!("{error:#}"));
    }

    /// A line of the table, or any other.
    pub(crate) fn line(&self, line: impl Display) {
        // Nobody reads a closed pipe; the exit code still tells.
        drop(writeln!(io::stdout(), "{line}"));
    }

    /// The last line, and the exit code: failure where anything was not as told.
    pub(crate) fn close(&self) -> ExitCode {
        let seconds = self.started.elapsed().as_secs();
        let (checks, unexpected) = (self.checks, self.unexpected);
        if unexpected == 0 {
            let told = format!("All {checks} checks as told, in {seconds} s.");
            self.line(format_args!("\n{}", self.green(&told)));
            return ExitCode::SUCCESS;
        }
        let told = format!("{unexpected} of {checks} checks NOT as told, after {seconds} s.");
        self.line(format_args!("\n{}", self.red(&told)));
        ExitCode::FAILURE
    }

    fn judged(&mut self, word: &str, sentence: &str, as_expected: bool) {
        self.checks += 1;
        if as_expected {
            self.line(format_args!("   {} {sentence}", self.green(word)));
        } else {
            self.unexpected += 1;
            let mark = self.red("NOT AS TOLD");
            self.line(format_args!("   {} {sentence}  <-- {mark}", self.red(word)));
        }
    }

    fn bold(&self, text: &str) -> String {
        self.dress("1", text)
    }

    fn green(&self, text: &str) -> String {
        self.dress("32", text)
    }

    fn red(&self, text: &str) -> String {
        self.dress("31", text)
    }

    /// With an SGR code (ECMA-48) around it, where there is a terminal.
    fn dress(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
