//! The counters of the programs.

use enforcer_common::layout::{COUNTER_LOST, COUNTER_SUPPRESSED, attempt_counter, counter};
use enforcer_common::{Hook, Reason};

use super::Maps;
use crate::core::{Count, Counters};
use crate::sys::KernelError;

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
