//! Grants from snooped DNS answers.

use enforcer_common::layout::{AddressGrant, Deadline, SnoopedGrant};

use super::Maps;
use crate::policy::{NameGrants, revoked_grants};
use crate::sys::KernelError;

impl Maps {
    /// Snooped grants that the daemon has not confirmed, with their deadlines.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn snooped_grants(&self) -> Result<Vec<(AddressGrant, Deadline)>, KernelError> {
        let claims = self.snooped_claims()?.into_iter();
        let ends = claims.map(|(grant, snooped)| (grant, snooped.deadline));
        Ok(ends.collect())
    }

    /// Snooped grants that the daemon has not confirmed, with their claims.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn snooped_claims(&self) -> Result<Vec<(AddressGrant, SnoopedGrant)>, KernelError> {
        let read: Result<_, _> = self.dns_addresses.iter().collect();
        read.map_err(KernelError::failed("read the snooped addresses"))
    }

    /// Removes confirmed or expired grants.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn remove_snooped(&mut self, grants: &[AddressGrant]) -> Result<(), KernelError> {
        super::apply::remove(&mut self.dns_addresses, grants)
    }

    /// Revokes grants: connections that were verified by them are checked again.
    ///
    /// # Errors
    /// If a map cannot be read or written.
    pub fn revoke_snooped(&mut self, grants: &[AddressGrant]) -> Result<(), KernelError> {
        if grants.is_empty() {
            return Ok(());
        }
        let removed = self.remove_snooped(grants);
        // Even if a grant stayed: open connections must not keep those that are gone.
        let settings = self.settings()?;
        let begun = self.begin_epoch(settings);
        removed.and(begun)
    }

    /// Removes grants that the policy no longer allows; the caller begins a new epoch.
    pub(super) fn remove_revoked(&mut self, granted: &NameGrants) -> Result<(), KernelError> {
        let revoked = revoked_grants(&self.snooped_grants()?, granted);
        self.remove_snooped(&revoked)
    }
}
