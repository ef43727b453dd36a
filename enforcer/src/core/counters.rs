//! Counters of the kernel programs.

use enforcer_common::ObservationOutcome;
use serde::{Deserialize, Serialize};

/// Number of decisions of one hook for one reason, since the maps were created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Count {
    /// [`enforcer_common::Hook::word`].
    pub hook: String,
    /// [`enforcer_common::Reason::word`].
    pub reason: String,
    /// "allow", "deny", or "audit" for a packet or call that would be denied.
    pub verdict: String,
    /// Packets or calls.
    pub count: u64,
    /// Attempts among them: the first packet of a denied TCP connection counts, later ones and connects of datagram sockets do not. 0 for
    /// the verdict "allow".
    #[serde(default)]
    pub attempts: u64,
}

/// All non-zero counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// By hook and reason.
    pub counts: Vec<Count>,
    /// Denials whose record did not fit into the ring buffer, or that could not be counted by cgroup because the map was full.
    pub lost_events: u64,
    /// Denials without a separate event, reported as totals per cgroup.
    #[serde(default)]
    pub suppressed_events: u64,
}

impl Counters {
    /// Returns the number of denied packets and calls.
    pub fn denied(&self) -> u64 {
        self.judged("deny")
    }

    /// Returns the number of attempts with `verdict`.
    pub fn attempts(&self, verdict: &str) -> u64 {
        self.sum(verdict, |count| count.attempts)
    }

    /// Returns the number of packets and calls with `verdict`.
    pub fn judged(&self, verdict: &str) -> u64 {
        self.sum(verdict, |count| count.count)
    }

    /// Returns the number of packets and calls with `verdict` at the hook with this word.
    pub fn judged_at(&self, hook: &str, verdict: &str) -> u64 {
        let counts = self.counts.iter();
        let counts = counts.filter(|count| count.hook == hook && count.verdict == verdict);
        counts.map(|count| count.count).sum()
    }

    fn sum(&self, verdict: &str, part: fn(&Count) -> u64) -> u64 {
        let counts = self.counts.iter().filter(|count| count.verdict == verdict);
        counts.map(part).sum()
    }
}

/// Observations by outcome, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObservationCounts([u64; ObservationOutcome::ALL.len()]);

impl ObservationCounts {
    /// Returns the number of observations with `outcome`.
    pub(crate) fn of(&self, outcome: ObservationOutcome) -> u64 {
        self.0.get(outcome as usize).copied().unwrap_or(0)
    }

    pub(super) fn count(&mut self, code: u32) {
        let slot = usize::try_from(code).ok().and_then(|at| self.0.get_mut(at));
        if let Some(count) = slot {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_are_counted_by_outcome_and_unknown_codes_are_ignored() {
        let mut counts = ObservationCounts::default();
        for outcome in ObservationOutcome::ALL {
            counts.count(outcome as u32);
        }
        counts.count(ObservationOutcome::Full as u32);
        counts.count(4);
        counts.count(u32::MAX);
        let counted = ObservationOutcome::ALL.map(|outcome| counts.of(outcome));
        assert_eq!(counted, [1, 1, 1, 2]);
    }
}
