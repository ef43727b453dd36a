//! Answers with events. They are generated in batches, so that a slow client does not increase memory use.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame};

use crate::core::EventRecord;
use crate::daemon::EventLog;

/// Maximum number of events in a batch.
const BATCH: usize = 32;

/// Body of `/events`: a JSON array of the events at the time of the request.
pub(super) struct Listing {
    log: Arc<EventLog>,
    last: u64,
    end: u64,
    /// Byte to write before the next event; `None` once the array is closed.
    separator: Option<u8>,
}

impl Listing {
    /// The events after `sequence`.
    pub(super) fn new(log: Arc<EventLog>, sequence: u64) -> Self {
        let end = log.last();
        Self {
            log,
            last: if sequence <= end { sequence } else { 0 },
            end,
            separator: Some(b'['),
        }
    }

    fn batch(&mut self, separator: u8) -> Result<Vec<u8>, serde_json::Error> {
        let mut text = Vec::new();
        let mut before = separator;
        let mut records = self.log.since(self.last, BATCH);
        records.retain(|record| record.sequence <= self.end);
        for record in &records {
            text.push(before);
            serde_json::to_writer(&mut text, record)?;
            before = b',';
            self.last = record.sequence;
        }
        self.separator = Some(b',');
        if records.is_empty() || self.last == self.end {
            if before == b'[' {
                text.push(b'[');
            }
            text.push(b']');
            self.separator = None;
        }
        Ok(text)
    }
}

impl Body for Listing {
    type Data = Bytes;
    type Error = serde_json::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, serde_json::Error>>> {
        let batch = self.separator.map(|separator| self.batch(separator));
        Poll::Ready(batch.map(|text| text.map(|text| Frame::data(Bytes::from(text)))))
    }
}

/// Body of `/events?follow=1`: JSON lines without an end.
pub(super) struct Follow {
    log: Arc<EventLog>,
    next: Pin<Box<dyn Future<Output = Vec<EventRecord>>>>,
}

impl Follow {
    /// The events after `sequence`.
    pub(super) fn new(log: Arc<EventLog>, sequence: u64) -> Self {
        let next = Box::pin(after(Arc::clone(&log), sequence));
        Self { log, next }
    }
}

impl Body for Follow {
    type Data = Bytes;
    type Error = serde_json::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, serde_json::Error>>> {
        let records = ready!(self.next.as_mut().poll(context));
        let last = records.last().map_or(0, |record| record.sequence);
        self.next = Box::pin(after(Arc::clone(&self.log), last));
        let frame = lines(&records).map(|text| Frame::data(Bytes::from(text)));
        Poll::Ready(Some(frame))
    }
}

async fn after(log: Arc<EventLog>, mut sequence: u64) -> Vec<EventRecord> {
    loop {
        log.wait(sequence).await;
        let records = log.since(sequence, BATCH);
        if !records.is_empty() {
            return records;
        }
        sequence = log.last();
    }
}

pub(super) fn lines(records: &[EventRecord]) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    for record in records {
        serde_json::to_writer(&mut text, record)?;
        text.push(b'\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::test_data::event;

    fn rest(listing: &mut Listing) -> String {
        let mut text = Vec::new();
        while let Some(separator) = listing.separator {
            text.extend(listing.batch(separator).unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    fn log(events: usize) -> Arc<EventLog> {
        let log = Arc::new(EventLog::new());
        (0..events).for_each(|_| log.push(event()));
        log
    }

    #[test]
    fn a_listing_is_an_array_for_any_number_of_events() {
        for count in [0, 1, BATCH, BATCH + 1, 3 * BATCH] {
            let log = log(count);
            let text = rest(&mut Listing::new(log.clone(), 0));
            let read: Vec<EventRecord> = serde_json::from_str(&text).unwrap();
            assert_eq!(read, log.since(0, usize::MAX), "{count}");
        }
    }

    #[test]
    fn a_listing_stays_an_array_if_the_log_drops_events_meanwhile() {
        let log = log(2 * BATCH);
        let mut listing = Listing::new(log.clone(), 0);
        let mut text = String::from_utf8(listing.batch(b'[').unwrap()).unwrap();
        (0..2048).for_each(|_| log.push(event()));
        text.push_str(&rest(&mut listing));
        let read: Vec<EventRecord> = serde_json::from_str(&text).unwrap();
        assert_eq!(read.len(), BATCH);
    }
}
