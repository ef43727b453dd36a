//! An answer that goes on: one line of JSON for each event.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame};

use crate::control::{EventLog, EventRecord};

/// Events that are written at once; a follower that reads slowly costs no more memory.
const BATCH: usize = 32;

/// The body of `/events?follow=1`. It has no end.
pub(super) struct Follow {
    log: Arc<EventLog>,
    next: Pin<Box<dyn Future<Output = Vec<EventRecord>>>>,
}

impl Follow {
    /// Begins after `sequence`.
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

async fn after(log: Arc<EventLog>, sequence: u64) -> Vec<EventRecord> {
    log.wait(sequence).await;
    log.since(sequence, BATCH)
}

fn lines(records: &[EventRecord]) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    for record in records {
        serde_json::to_writer(&mut text, record)?;
        text.push(b'\n');
    }
    Ok(text)
}
