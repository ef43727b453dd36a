//! Reads denials and lessons from the ring buffer.

use aya::Pod;
use aya::maps::{HashMap, MapData, RingBuf};
use enforcer_common::Record;
use enforcer_common::layout::{DedupEntry, DedupKey, SuppressedKey};
use tokio::io::unix::AsyncFd;

use super::maps::ring_buffer;
use super::{Maps, Pins};
use crate::sys::{KernelError, readable};

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

/// Denials of windows that are over, as the kernel counted them.
#[derive(Debug, Default)]
pub struct Counted {
    /// By what they have in common, in order of the window; the first of each was sent as a record, if there was room.
    pub folds: Vec<(DedupKey, DedupEntry)>,
    /// By cgroup: those of which no record was sent.
    pub withheld: Vec<(SuppressedKey, u64)>,
    /// Whether there are more, in windows that are not over.
    pub is_more: bool,
}

impl Maps {
    /// Takes what was counted before `window`. No program changes these entries any more, so that none is lost or taken twice.
    ///
    /// # Errors
    /// Where a map cannot be read or written.
    pub fn take_counted(&mut self, window: u32) -> Result<Counted, KernelError> {
        let (mut folds, more_folds) = take(&mut self.folds, |key| key.window < window)?;
        let (mut withheld, more_withheld) = take(&mut self.withheld, |key| key.window < window)?;
        folds.sort_unstable_by_key(|(key, _)| (key.window, *key));
        withheld.sort_unstable_by_key(|(key, _)| (key.window, *key));
        Ok(Counted {
            folds,
            withheld,
            is_more: more_folds || more_withheld,
        })
    }
}

/// Removes the entries that are over, and says whether there are others.
fn take<K: Pod, V: Pod>(
    map: &mut HashMap<MapData, K, V>,
    is_over: impl Fn(&K) -> bool,
) -> Result<(Vec<(K, V)>, bool), KernelError> {
    let what = "read the counts of denials";
    let mut over = Vec::new();
    let mut is_more = false;
    // Entries that come meanwhile are of the window at hand: whether they are met does not matter.
    for entry in map.iter() {
        let (key, value) = entry.map_err(KernelError::failed(what))?;
        if is_over(&key) {
            over.push((key, value));
        } else {
            is_more = true;
        }
    }
    for (key, _) in &over {
        map.remove(key)
            .map_err(KernelError::failed("remove the counts of denials"))?;
    }
    Ok((over, is_more))
}
