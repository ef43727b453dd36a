//! Reads denials and DNS observations from the ring buffer, and sums of denials.

use aya::Pod;
use aya::maps::{HashMap, MapData, RingBuf};
use enforcer_common::Record;
use enforcer_common::layout::{DedupEntry, DedupKey, SuppressedKey};
use tokio::io::unix::AsyncFd;

use super::maps::ring_buffer;
use super::{Maps, Pins};
use crate::sys::{KernelError, readable};

/// Reader of the ring buffer.
pub struct EventReader {
    ring: AsyncFd<RingBuf<MapData>>,
}

impl EventReader {
    /// Opens the pinned ring buffer, which begins with the records that an earlier daemon left unread.
    ///
    /// # Errors
    /// If it cannot be opened or mapped.
    pub fn open(pins: &Pins) -> Result<Self, KernelError> {
        let what = "watch the event buffer";
        Ok(Self {
            ring: readable(ring_buffer(pins)?, what)?,
        })
    }

    /// Waits for records, and reads at most `most` of them.
    ///
    /// # Errors
    /// If waiting fails.
    pub async fn next(&mut self, most: usize) -> Result<Vec<Record>, KernelError> {
        let what = "wait for events";
        loop {
            let mut ready = self
                .ring
                .readable_mut()
                .await
                .map_err(KernelError::failed(what))?;
            let events = read(ready.get_inner_mut(), most);
            if events.len() < most {
                ready.clear_ready();
            }
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    /// Reads at most `most` records without waiting.
    pub fn waiting(&mut self, most: usize) -> Vec<Record> {
        read(self.ring.get_mut(), most)
    }
}

/// Reads at most `most` records.
fn read(ring: &mut RingBuf<MapData>, most: usize) -> Vec<Record> {
    let mut events = Vec::new();
    while events.len() < most
        && let Some(item) = ring.next()
    {
        events.extend(Record::from_bytes(&item));
    }
    events
}

/// Counts of denials in past windows.
#[derive(Debug, Default)]
pub struct Counted {
    /// By deduplication key, in order of windows; the first denial of each was sent as a record if the buffer had room.
    pub deduplicated: Vec<(DedupKey, DedupEntry)>,
    /// By cgroup: those without a record.
    pub suppressed: Vec<(SuppressedKey, u64)>,
    /// Whether there are more, in the current window.
    pub is_more: bool,
}

impl Maps {
    /// Removes and returns the counts of windows before `window`. No program changes these entries any more, so none is lost or returned twice.
    ///
    /// # Errors
    /// If a map cannot be read or written.
    pub fn take_counted(&mut self, window: u32) -> Result<Counted, KernelError> {
        let (mut deduplicated, more_keys) =
            take(&mut self.denial_dedup, |key| key.window < window)?;
        let (mut suppressed, more_cgroups) = take(&mut self.suppressed, |key| key.window < window)?;
        deduplicated.sort_unstable_by_key(|(key, _)| (key.window, *key));
        suppressed.sort_unstable_by_key(|(key, _)| (key.window, *key));
        Ok(Counted {
            deduplicated,
            suppressed,
            is_more: more_keys || more_cgroups,
        })
    }
}

/// Removes and returns the entries of past windows, and whether there are others.
fn take<K: Pod, V: Pod>(
    map: &mut HashMap<MapData, K, V>,
    is_over: impl Fn(&K) -> bool,
) -> Result<(Vec<(K, V)>, bool), KernelError> {
    let what = "read the counts of denials";
    let mut over = Vec::new();
    let mut is_more = false;
    // Entries added meanwhile belong to the current window: it does not matter whether the iteration sees them.
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
