//! What the kernel learned from DNS answers.

use enforcer_common::layout::{Deadline, Opening};

use super::{KernelError, Maps};

impl Maps {
    /// What it learned and nobody has taken over.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn learned(&self) -> Result<Vec<(Opening, Deadline)>, KernelError> {
        let read: Result<_, _> = self.learned.iter().collect();
        read.map_err(KernelError::failed("read what was learned"))
    }

    /// Removes what was taken over, or is over.
    ///
    /// # Errors
    /// Where the map cannot be written.
    pub fn forget_learned(&mut self, openings: &[Opening]) -> Result<(), KernelError> {
        super::apply::remove(&mut self.learned, openings)
    }
}
