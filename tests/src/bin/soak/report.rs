//! Progress and result.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{finding::Finding, options::Options, plan::Kind, traffic::Sums, usage::Usage};

/// Lines of the daemon's log that a failure shows.
const LOG_LINES: usize = 40;

/// What happened so far.
pub(crate) struct Report {
    seed: u64,
    minutes: u64,
    begin: Instant,
    /// The sums of all streams and open connections.
    pub(crate) sums: Sums,
    steps: BTreeMap<Kind, u64>,
    usages: Vec<Usage>,
}

impl Report {
    pub(crate) fn new(options: &Options) -> Self {
        let minutes = options.duration.as_secs() / 60;
        let seed = options.seed;
        say(&format!(
            "soak: {minutes} minutes; ./x soak --minutes {minutes} --seed {seed} takes the same steps"
        ));
        Self {
            seed,
            minutes,
            begin: Instant::now(),
            sums: Sums::default(),
            steps: BTreeMap::new(),
            usages: Vec::new(),
        }
    }

    /// The lab is up.
    pub(crate) fn begin(&mut self) {
        self.begin = Instant::now();
    }

    /// A step is over and nothing was found.
    pub(crate) fn step(&mut self, kind: Kind, what: &str) {
        *self.steps.entry(kind).or_default() += 1;
        let number: u64 = self.steps.values().sum();
        let Sums {
            answered, refused, ..
        } = self.sums;
        say(&format!(
            "step {number}, minute {:.1} of {}: {}: {what} ({answered} answered, {refused} refused so far)",
            self.begin.elapsed().as_secs_f64() / 60.0,
            self.minutes,
            kind.word()
        ));
    }

    /// What is used was compared with what was used at first.
    pub(crate) fn usage(&mut self, usage: &Usage) {
        let entries: u64 = usage.entries.values().sum();
        let programs: u64 = usage.programs.values().sum();
        say(&format!(
            "used: {} KiB, {} descriptors, {} pins, {} filters, {programs} programs, {entries} entries of maps",
            usage.memory, usage.descriptors, usage.pins, usage.filters
        ));
        self.usages.push(usage.clone());
    }

    /// Shows the end of the daemon's log.
    pub(crate) fn log(&self, log: &str) {
        let lines: Vec<&str> = log.lines().collect();
        for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
            say(&format!("    {line}"));
        }
    }

    /// Shows the result, and returns the exit code.
    ///
    /// # Errors
    /// When standard output is closed, or the file cannot be written.
    pub(crate) fn end(&self, result: Result<()>, json: Option<&Path>) -> Result<ExitCode> {
        let error = result.err();
        writeln!(io::stdout(), "{}", self.text(error.as_ref()))?;
        if let Some(file) = json {
            let text = serde_json::to_string_pretty(&self.json(error.as_ref()))?;
            fs::write(file, text + "\n").with_context(|| format!("write {}", file.display()))?;
        }
        Ok(match error {
            None => ExitCode::SUCCESS,
            Some(_) => ExitCode::FAILURE,
        })
    }

    fn json(&self, error: Option<&anyhow::Error>) -> Value {
        let steps: BTreeMap<&str, u64> = self
            .steps
            .iter()
            .map(|(kind, count)| (kind.word(), *count))
            .collect();
        json!({
            "seed": self.seed,
            "minutes": self.begin.elapsed().as_secs_f64() / 60.0,
            "steps": steps,
            "connections": self.sums,
            "used": self.usages,
            "failure": error.map(|error| json!({
                "kind": kind_of(error),
                "message": format!("{error:#}"),
            })),
        })
    }

    fn text(&self, error: Option<&anyhow::Error>) -> String {
        let steps: u64 = self.steps.values().sum();
        let sums = &self.sums;
        let mut text = format!(
            "{steps} steps in {:.1} minutes, seed {}\n\
             allowed: {} connections answered, {} lost; {} requests on open connections, {} packets sent again\n\
             protected: {} connections and datagrams refused, {} not refused, {} packets arrived\n",
            self.begin.elapsed().as_secs_f64() / 60.0,
            self.seed,
            sums.answered,
            sums.lost,
            sums.requests,
            sums.retransmitted,
            sums.refused,
            sums.passed,
            sums.arrived
        );
        text.push_str(&match error {
            None => "nothing leaked, was lost or grew".to_owned(),
            Some(error) => format!("FAILED ({}): {error:#}", kind_of(error)),
        });
        text
    }
}

/// The kind of a finding; any other error is one of the run.
fn kind_of(error: &anyhow::Error) -> &'static str {
    let mut causes = error.chain();
    let finding = causes.find_map(|cause| cause.downcast_ref::<Finding>());
    finding.map_or("error", |finding| finding.kind.word())
}

/// Prints a line of progress.
fn say(line: &str) {
    // With stderr closed, it is lost.
    drop(writeln!(io::stderr(), "{line}"));
}
