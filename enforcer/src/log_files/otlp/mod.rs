//! Sends events to an OpenTelemetry collector on this host, by OTLP over HTTP with JSON (opentelemetry.io/docs/specs/otlp, 1.9).
//!
//! A thread of its own sends them, so that a collector that does not answer delays nothing.

mod exporter;
mod record;
mod shared;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Sender, channel};

use self::exporter::Exporter;
use self::shared::Shared;
use crate::config::LocalUrl;
use crate::core::EventRecord;
use crate::https::Url;

/// Path of a URL without one (OTLP, "OTLP/HTTP Request").
const PATH: &str = "/v1/logs";
/// The most events that wait for the collector.
const MOST_WAITING: usize = 1024;
/// The longest wait for the collector at the end.
const END: Duration = Duration::from_secs(2);

/// The thread that sends events to a collector.
pub(crate) struct Otlp {
    events: Option<Sender<Box<EventRecord>>>,
    thread: JoinHandle<()>,
    shared: Arc<Shared>,
}

impl Otlp {
    /// Starts the thread. It calls `report` with what prevents events from being taken, and with `None` when nothing does any more.
    ///
    /// # Errors
    /// If the URL is not supported, or there is no thread for it.
    pub(crate) fn start(
        url: &LocalUrl,
        report: impl Fn(Option<String>) + Send + 'static,
    ) -> io::Result<Self> {
        let url: Url = url.or_path(PATH).parse().map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (sender, receiver) = channel(MOST_WAITING);
        let shared = Arc::new(Shared::default());
        let exporter = Exporter::new(url, receiver, Arc::clone(&shared), Box::new(report));
        let thread = Builder::new().name("otlp".to_owned());
        let thread = thread.spawn(move || runtime.block_on(exporter.run()))?;
        Ok(Self {
            events: Some(sender),
            thread,
            shared,
        })
    }

    /// Sends an event, without waiting.
    pub(crate) fn send(&self, event: &EventRecord) {
        let Some(events) = &self.events else {
            return;
        };
        if events.try_send(Box::new(event.clone())).is_err() {
            let count = event.duplicates.saturating_add(1);
            self.shared.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// Waits a little for what is left.
impl Drop for Otlp {
    fn drop(&mut self) {
        self.events = None;
        self.shared.ended.notify_one();
        let end = Instant::now() + END;
        while !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests;
