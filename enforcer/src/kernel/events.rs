//! Reads denials and lessons from the ring buffer.

use aya::maps::{MapData, RingBuf};
use enforcer_common::Record;
use enforcer_common::layout::{Fold, FoldKey};
use tokio::io::unix::AsyncFd;

use super::maps::ring_buffer;
use super::readable::readable;
use super::{KernelError, Maps, Pins};

/// The reading end of the ring buffer.
pub struct EventReader {
    ring: AsyncFd<RingBuf<MapData>>,
}

impl EventReader {
    /// Opens the pinned ring buffer; what a dead daemon left unread is read first.
    ///
    /// # Errors
    /// Where it cannot be opened or mapped.
    pub fn open(pins: &Pins) -> Result<Self, KernelError> {
        let what = "watch the event buffer";
        Ok(Self {
            ring: readable(ring_buffer(pins)?, what)?,
        })
    }

    /// Waits for records and takes up to `most` of them.
    ///
    /// # Errors
    /// Where the buffer cannot be waited for.
    pub async fn next(&mut self, most: usize) -> Result<Vec<Record>, KernelError> {
        let what = "wait for events";
        loop {
            let mut ready = self
                .ring
                .readable_mut()
                .await
                .map_err(KernelError::failed(what))?;
            let mut events = Vec::new();
            while events.len() < most
                && let Some(item) = ready.get_inner_mut().next()
            {
                events.extend(Record::from_bytes(&item));
            }
            if events.len() < most {
                ready.clear_ready();
            }
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }
}

impl Maps {
    /// Takes the denials that were folded after the last report of `key`, so that none stays untold when no other follows.
    ///
    /// # Errors
    /// Where the map cannot be written.
    pub fn take_fold(&mut self, key: &FoldKey) -> Result<u64, KernelError> {
        let Ok(fold) = self.folds.get(key, 0) else {
            return Ok(0);
        };
        let taken = Fold { folded: 0, ..fold };
        let what = "write the folds";
        self.folds
            .insert(key, &taken, 0)
            .map_err(KernelError::failed(what))?;
        Ok(fold.folded)
    }
}
