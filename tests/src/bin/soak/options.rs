//! The arguments.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};

const MINUTES: u64 = 60;

/// What the arguments say.
pub(crate) struct Options {
    /// When the last step begins at the latest, from the first step on.
    pub(crate) duration: Duration,
    /// Determines the steps.
    pub(crate) seed: u64,
    /// Where to write the result as JSON.
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    /// Reads `[--minutes N] [--seed S] [--json FILE]`.
    ///
    /// # Errors
    /// When an argument is another one.
    pub(crate) fn read(words: &[&str]) -> Result<Self> {
        let mut options = Self {
            duration: minutes(MINUTES),
            seed: random_seed()?,
            json: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = words
                .next()
                .with_context(|| format!("nothing after {word}"))?;
            let number = || value.parse().with_context(|| format!("{word} {value}"));
            match *word {
                "--minutes" => options.duration = minutes(number()?),
                "--seed" => options.seed = number()?,
                "--json" => options.json = Some(PathBuf::from(value)),
                _ => bail!("usage: ./x soak [--minutes N] [--seed S] [--json FILE]"),
            }
        }
        Ok(options)
    }
}

fn minutes(number: u64) -> Duration {
    Duration::from_secs(number.saturating_mul(60))
}

/// A number of few digits, as somebody may have to type it.
fn random_seed() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::from(now.subsec_micros()))
}
