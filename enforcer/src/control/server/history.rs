//! The events on the disk and in memory.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame};
use jiff::Timestamp;
use tokio::task::{JoinHandle, spawn_blocking};

use super::events::lines;
use crate::core::EventRecord;
use crate::daemon::EventLog;
use crate::log_files::{Entry, Reader};

/// Lines of the log that are read at a time.
const BATCH: usize = 256;

/// Body of `/events?from=TIME`: JSON lines of the events since that time, at the time of the request. The disk is read in other threads.
pub(super) struct History {
    /// What reads the next events; `None` at the end.
    reading: Option<JoinHandle<io::Result<Lines>>>,
}

/// Lines of events, and what is left to read.
type Lines = (Vec<u8>, Option<Merge>);

impl History {
    /// The events from a time on.
    pub(super) fn new(log: &EventLog, from: Timestamp) -> Self {
        let directory = log.directory();
        let merge = Merge::new(log.held(), from);
        Self {
            reading: Some(spawn_blocking(move || {
                let kept = directory.map(|path| Reader::open(&path, from));
                let kept = kept.transpose()?;
                Merge { kept, ..merge }.lines()
            })),
        }
    }
}

impl Body for History {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let read = read.map_err(io::Error::other).flatten();
        Poll::Ready(Some(read.map(|(text, rest)| {
            self.reading = rest.map(|rest| spawn_blocking(move || rest.lines()));
            Frame::data(Bytes::from(text))
        })))
    }
}

/// The log on the disk, and what memory has besides or in more detail.
struct Merge {
    kept: Option<Reader>,
    from: Timestamp,
    /// Events in memory that the log has not shown yet, by number.
    held: BTreeMap<u64, Arc<EventRecord>>,
}

impl Merge {
    fn new(held: Vec<Arc<EventRecord>>, from: Timestamp) -> Self {
        let held = held.into_iter().map(|event| (event.sequence, event));
        Self {
            kept: None,
            from,
            held: held.collect(),
        }
    }

    /// Returns the next events as lines, and what is left.
    fn lines(mut self) -> io::Result<Lines> {
        let (events, is_end) = self.next_events()?;
        let text = lines(&events)?;
        Ok((text, (!is_end).then_some(self)))
    }

    /// Returns the next events, and whether they are the last.
    fn next_events(&mut self) -> io::Result<(Vec<EventRecord>, bool)> {
        let mut events = Vec::new();
        let Some(kept) = &mut self.kept else {
            let held = std::mem::take(&mut self.held).into_values();
            let held = held.filter(|event| event.time >= self.from);
            return Ok((held.map(Arc::unwrap_or_clone).collect(), true));
        };
        let mut entries = 0;
        for entry in kept.take(BATCH) {
            entries += 1;
            events.extend(shown(entry?, &mut self.held));
        }
        if entries == 0 {
            self.kept = None;
        }
        Ok((events, false))
    }
}

/// Returns what an entry of the log says that memory does not say in more detail.
fn shown(entry: Entry, held: &mut BTreeMap<u64, Arc<EventRecord>>) -> Option<EventRecord> {
    let event = entry.event;
    let Some(first) = entry.first else {
        // Another event has this number if the disk failed meanwhile.
        if held
            .get(&event.sequence)
            .is_some_and(|held| held.time == event.time)
        {
            held.remove(&event.sequence);
        }
        return Some(event);
    };
    let detailed = held.range(first.min(event.sequence)..=event.sequence);
    let detailed = detailed.filter(|(_, held)| held.has_rule_of(&event));
    let count = |event: &EventRecord| event.duplicates.saturating_add(1);
    let detailed = detailed.map(|(_, held)| count(held));
    let detailed = detailed.fold(0, u64::saturating_add);
    let rest = count(&event).checked_sub(detailed)?;
    let duplicates = rest.checked_sub(1)?;
    Some(EventRecord {
        duplicates,
        ..event
    })
}

#[cfg(test)]
mod tests;
