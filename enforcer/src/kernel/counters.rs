//! What the programs counted.

use enforcer_common::layout::{COUNTER_LOST, counter};
use enforcer_common::{Hook, Reason};
use serde::{Deserialize, Serialize};

use super::{KernelError, Maps};

/// How often one hook decided for one reason, since the maps were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// [`Hook::word`].
    pub hook: String,
    /// [`Reason::word`].
    pub reason: String,
    /// "allow" or "deny"; in audit mode what is denied passes all the same.
    pub verdict: String,
    /// Packets or calls.
    pub count: u64,
}

/// All counters that are not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// In the order of hooks and reasons.
    pub counts: Vec<Count>,
    /// Events that found the ring buffer full.
    pub lost_events: u64,
}

impl Counters {
    /// Packets and calls denied.
    pub fn denied(&self) -> u64 {
        let denied = self.counts.iter().filter(|count| count.verdict == "deny");
        denied.map(|count| count.count).sum()
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
                let count = self.count(counter(hook, reason))?;
                if count > 0 {
                    counts.push(Count {
                        hook: hook.word().to_owned(),
                        reason: reason.word().to_owned(),
                        verdict: if reason.denies() { "deny" } else { "allow" }.to_owned(),
                        count,
                    });
                }
            }
        }
        Ok(Counters {
            counts,
            lost_events: self.count(COUNTER_LOST)?,
        })
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
