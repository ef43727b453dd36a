//! What the kernel learned from DNS answers.

use enforcer_common::layout::{AddressGrant, Deadline, SnoopedGrant};

use super::Maps;
use crate::policy::{NameGrants, revoked_grants};
use crate::sys::KernelError;

impl Maps {
    /// What it learned and nobody has taken over, with when each ends.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn learned(&self) -> Result<Vec<(AddressGrant, Deadline)>, KernelError> {
        let learned = self.learned_for()?.into_iter();
        let ends = learned.map(|(opening, learned)| (opening, learned.deadline));
        Ok(ends.collect())
    }

    /// What it learned and nobody has taken over, with the cgroups that asked.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn learned_for(&self) -> Result<Vec<(AddressGrant, SnoopedGrant)>, KernelError> {
        let read: Result<_, _> = self.learned.iter().collect();
        read.map_err(KernelError::failed("read what was learned"))
    }

    /// Removes what was taken over, or is over.
    ///
    /// # Errors
    /// Where the map cannot be written.
    pub fn forget_learned(&mut self, openings: &[AddressGrant]) -> Result<(), KernelError> {
        super::apply::remove(&mut self.learned, openings)
    }

    /// Removes what is open and must not be: connections that were verified by it are judged anew.
    ///
    /// # Errors
    /// Where a map cannot be read or written.
    pub fn close_learned(&mut self, openings: &[AddressGrant]) -> Result<(), KernelError> {
        if openings.is_empty() {
            return Ok(());
        }
        self.forget_learned(openings)?;
        let settings = self.settings()?;
        self.begin_epoch(settings)
    }

    /// Removes what is not granted; the epoch is the caller's.
    pub(super) fn forget_revoked(&mut self, granted: &NameGrants) -> Result<(), KernelError> {
        let revoked = revoked_grants(&self.learned()?, granted);
        self.forget_learned(&revoked)
    }
}
