//! The counters of the programs.

use enforcer_common::layout::{COUNTER_LOST, COUNTER_SUPPRESSED, attempt_counter, counter};
use enforcer_common::{Hook, Reason};
use serde::{Deserialize, Serialize};

use super::Maps;
use crate::sys::KernelError;

/// Number of decisions of one hook for one reason, since the maps were created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// [`Hook::word`].
    pub hook: String,
    /// [`Reason::word`].
    pub reason: String,
    /// "allow", "deny", or "audit" for a denial that was let through.
    pub verdict: String,
    /// Packets or calls.
    pub count: u64,
    /// Attempts among them: only the first packet of a denied TCP connection counts, and connecting a datagram socket does not. 0 for the verdict "allow".
    #[serde(default)]
    pub attempts: u64,
}

/// All non-zero counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// By hook and reason.
    pub counts: Vec<Count>,
    /// Denials whose record did not fit into the ring buffer, or that could not be counted by cgroup because the map was full.
    pub lost_events: u64,
    /// Denials without an event of their own, reported in sums by cgroup.
    #[serde(default)]
    pub suppressed_events: u64,
}

impl Counters {
    /// Denied packets and calls.
    pub fn denied(&self) -> u64 {
        self.judged("deny")
    }

    /// Attempts with `verdict`.
    pub fn attempts(&self, verdict: &str) -> u64 {
        self.sum(verdict, |count| count.attempts)
    }

    /// Packets and calls with `verdict`.
    pub fn judged(&self, verdict: &str) -> u64 {
        self.sum(verdict, |count| count.count)
    }

    fn sum(&self, verdict: &str, part: fn(&Count) -> u64) -> u64 {
        let counts = self.counts.iter().filter(|count| count.verdict == verdict);
        counts.map(part).sum()
    }
}

impl Maps {
    /// Reads the counters, summed over all CPUs.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn counters(&self) -> Result<Counters, KernelError> {
        let mut counts = Vec::new();
        for hook in Hook::ALL {
            for reason in Reason::ALL {
                counts.extend(self.count_of(hook, reason, false)?);
                if reason.denies() {
                    counts.extend(self.count_of(hook, reason, true)?);
                }
            }
        }
        Ok(Counters {
            counts,
            lost_events: self.count(COUNTER_LOST)?,
            suppressed_events: self.count(COUNTER_SUPPRESSED)?,
        })
    }

    /// `None` if it is zero.
    fn count_of(
        &self,
        hook: Hook,
        reason: Reason,
        audited: bool,
    ) -> Result<Option<Count>, KernelError> {
        let count = self.count(counter(hook, reason, audited))?;
        if count == 0 {
            return Ok(None);
        }
        let (verdict, attempts) = if reason.denies() {
            let attempts = self.count(attempt_counter(hook, reason, audited))?;
            (if audited { "audit" } else { "deny" }, attempts)
        } else {
            ("allow", 0)
        };
        Ok(Some(Count {
            hook: hook.word().to_owned(),
            reason: reason.word().to_owned(),
            verdict: verdict.to_owned(),
            count,
            attempts,
        }))
    }

    fn count(&self, index: u32) -> Result<u64, KernelError> {
        let what = "read the counters";
        let values = self
            .counters
            .get(&index, 0)
            .map_err(KernelError::failed(what))?;
        Ok(values.iter().sum())
    }
}
