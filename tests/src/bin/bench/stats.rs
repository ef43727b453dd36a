//! Medians and differences of paired measurements.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Alternating measurements with and without something, in one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Paired {
    /// Median without it in nanoseconds.
    pub(crate) without: f64,
    /// Additional nanoseconds with it: lower quartile, median, upper quartile.
    pub(crate) added: [f64; 3],
    /// The same for the null comparison: the difference between the two measurements without it.
    pub(crate) noise: [f64; 3],
}

impl Paired {
    /// Evaluates rounds of three measurements: without, with, without.
    pub(crate) fn of(rounds: &[[f64; 3]]) -> Self {
        let mean = |round: &[f64; 3]| f64::midpoint(round[0], round[2]);
        Self {
            without: quartiles(rounds.iter().map(mean))[1],
            added: quartiles(rounds.iter().map(|round| round[1] - mean(round))),
            noise: quartiles(rounds.iter().map(|round| round[2] - round[0])),
        }
    }

    /// Returns the cost with it as a multiple of the cost without it.
    pub(crate) fn ratio(&self) -> f64 {
        (self.without + self.added[1]) / self.without
    }
}

/// Returns the median.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quartiles(values)[1]
}

/// Returns lower quartile, median and upper quartile: the values at a quarter, a half and three quarters of the sorted list.
pub(crate) fn quartiles(values: impl IntoIterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| {
        let at = (sorted.len().saturating_sub(1) * quarter).div_ceil(4);
        sorted.get(at).copied().unwrap_or(f64::NAN)
    })
}

/// Formats quartiles for the report.
pub(crate) fn spread([lower, median, upper]: [f64; 3]) -> String {
    format!("{median:.1} [{lower:.1}, {upper:.1}]")
}

/// Returns the mean duration of a run in nanoseconds, over at least `least` runs.
pub(crate) fn mean_run(
    before: (u64, Duration),
    after: (u64, Duration),
    least: usize,
) -> Result<f64> {
    let runs = after.0.checked_sub(before.0);
    let runs = runs.filter(|runs| *runs >= least as u64);
    let runs = runs.context("a program ran less often than expected")?;
    Ok((after.1 - before.1).as_secs_f64() * 1e9 / runs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_at_the_quarters_of_the_sorted_values() {
        assert_eq!(quartiles([5.0, 1.0, 3.0, 2.0, 4.0]), [2.0, 3.0, 4.0]);
        assert_eq!(median([7.0]), 7.0);
        assert!(median([]).is_nan());
    }

    #[test]
    fn added_cost_is_relative_to_the_mean_of_both_neighbours() {
        let paired = Paired::of(&[[10.0, 15.0, 12.0]]);
        assert_eq!(paired.without, 11.0);
        assert_eq!(paired.added[1], 4.0);
        assert_eq!(paired.noise[1], 2.0);
        assert!((paired.ratio() - 15.0 / 11.0).abs() < 1e-9);
    }
}
