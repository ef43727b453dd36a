//! Sends events to an OpenTelemetry collector on this host, by OTLP over HTTP with JSON (opentelemetry.io/docs/specs/otlp, 1.9).
//!
//! A thread of its own sends them, so that a collector that does not answer delays nothing.

mod exporter;
mod record;
mod shared;

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;
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

/// The thread that sends events to a collector. Dropping it ends the thread after one more attempt, without waiting.
pub(crate) struct Otlp {
    url: LocalUrl,
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
        let target: Url = url.or_path(PATH).parse().map_err(io::Error::other)?;
        let (sender, receiver) = channel(MOST_WAITING);
        let shared = Arc::new(Shared::new(Box::new(report)));
        let exporter = Exporter::new(target, receiver, Arc::clone(&shared));
        let thread = Builder::new().name("otlp".to_owned());
        let thread = thread.spawn(move || exporter.work())?;
        Ok(Self {
            url: url.clone(),
            events: Some(sender),
            thread,
            shared,
        })
    }

    /// Returns the configured URL.
    pub(crate) fn url(&self) -> &LocalUrl {
        &self.url
    }

    /// Sends an event, without waiting.
    pub(crate) fn send(&self, event: &EventRecord) {
        let Some(events) = &self.events else {
            return;
        };
        match events.try_send(Box::new(event.clone())) {
            Ok(()) => {}
            Err(TrySendError::Full(event)) => self.shared.lose([&*event]),
            Err(TrySendError::Closed(event)) => {
                self.shared.lose([&*event]);
                let failure = format!("{}: its thread ended; restart the service", self.url);
                self.shared.report(Some(failure));
            }
        }
    }

    /// Ends the thread, and waits a little until the collector has what is left.
    pub(crate) fn finish(mut self) {
        self.close();
        let end = Instant::now() + END;
        while !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.shared.log_losses(&self.url);
    }

    fn close(&mut self) {
        self.events = None;
        self.shared.silence();
        self.shared.ended.notify_one();
    }
}

impl Drop for Otlp {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
