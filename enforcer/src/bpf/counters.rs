//! What the programs counted.

use enforcer_common::layout::{COUNTER_LOST, COUNTER_SUPPRESSED, attempt_counter, counter};
use enforcer_common::{Hook, Reason};
use serde::{Deserialize, Serialize};

use super::Maps;
use crate::sys::KernelError;

/// How often one hook decided for one reason, since the maps were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// [`Hook::word`].
    pub hook: String,
    /// [`Reason::word`].
    pub reason: String,
    /// "allow"; "deny"; or "audit": denied, and let through.
    pub verdict: String,
    /// Packets or calls.
    pub count: u64,
    /// Attempts among them: of the packets of one denied TCP connection only the first counts, and connecting a datagram socket is none.
    /// 0 where the verdict is "allow".
    #[serde(default)]
    pub attempts: u64,
}

/// All counters that are not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// In the order of hooks and reasons.
    pub counts: Vec<Count>,
    /// Denials whose record found the ring buffer full, or that no map had room to count by cgroup.
    pub lost_events: u64,
    /// Denials that were too many for an event of their own, and are reported in sums by cgroup.
    #[serde(default)]
    pub withheld_events: u64,
}

impl Counters {
    /// Packets and calls that were refused.
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
    /// Reads the counters, summed over the processors.
    ///
    /// # Errors
    /// Where the map cannot be read.
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
            withheld_events: self.count(COUNTER_SUPPRESSED)?,
        })
    }

    /// `None` where it never happened.
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
