//! How many pulls succeeded and failed, by engine and place.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

/// Messages of failed pulls that are kept.
const MESSAGES: usize = 3;

/// Counts of pulls.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<(&'static str, &'static str), [u64; 2]>,
    messages: Vec<String>,
}

impl Tally {
    /// Counts a pull by `engine` from `place`.
    pub(crate) fn add(&mut self, engine: &'static str, place: &'static str, pull: &Result<()>) {
        let [pulled, failed] = self.counts.entry((engine, place)).or_default();
        match pull {
            Ok(()) => *pulled += 1,
            Err(error) => {
                *failed += 1;
                if self.messages.len() < MESSAGES {
                    self.messages.push(format!("{engine}, {place}: {error:#}"));
                }
            }
        }
    }

    /// The number of pulls that succeeded, and of those that failed.
    pub(crate) fn totals(&self) -> [u64; 2] {
        let add = |[a, b]: [u64; 2], [c, d]: &[u64; 2]| [a + c, b + d];
        self.counts.values().fold([0, 0], add)
    }

    /// The table of all counts.
    pub(crate) fn table(&self) -> String {
        let row = |words: [&str; 4]| {
            let [engine, place, pulled, failed] = words;
            format!("{engine:<12} {place:<20} {pulled:>7} {failed:>7}\n")
        };
        let mut table = row(["engine", "place", "pulled", "failed"]);
        for ((engine, place), [pulled, failed]) in &self.counts {
            table += &row([engine, place, &pulled.to_string(), &failed.to_string()]);
        }
        table
    }

    /// Checks that each combination has `each` pulls, and that none failed.
    pub(crate) fn check(&self, combinations: usize, each: u64) -> Result<()> {
        let is_whole = self.counts.len() == combinations
            && self.counts.values().all(|counts| *counts == [each, 0]);
        ensure!(is_whole, "{}\n{}", self.table(), self.messages.join("\n"));
        Ok(())
    }
}

#[test]
fn a_failed_or_missing_pull_fails_the_tally() -> Result<()> {
    let mut tally = Tally::default();
    tally.add("a", "here", &Ok(()));
    tally.add("a", "there", &Ok(()));
    tally.check(2, 1)?;
    assert!(tally.check(3, 1).is_err());
    assert!(tally.check(2, 2).is_err());
    tally.add("a", "here", &Err(anyhow::anyhow!("refused")));
    assert_eq!(tally.totals(), [2, 1]);
    assert!(tally.check(2, 1).is_err());
    Ok(())
}
