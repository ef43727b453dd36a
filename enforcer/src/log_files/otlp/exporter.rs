//! The thread that sends batches of events, and repeats what failed for a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout_at};

use super::record;
use super::shared::Shared;
use crate::core::EventRecord;
use crate::https::{Client, Request, Response, Url};
use crate::printable;

/// The most events of a request, and how long the first one waits for others.
const BATCH: usize = 64;
const LINGER: Duration = Duration::from_secs(1);
/// Timeout of a request (the default of OpenTelemetry's exporters).
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bounds of the wait before a request is repeated.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Answers after which a request is repeated (OTLP, "Retryable Response Codes").
const RETRYABLE: [StatusCode; 4] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];
/// Longest text of a collector in a message.
const MOST_TEXT: usize = 200;

pub(super) struct Exporter {
    url: Url,
    client: Client,
    host: String,
    events: Receiver<Box<EventRecord>>,
    shared: Arc<Shared>,
    report: Report,
    is_failing: bool,
}

type Report = Box<dyn Fn(Option<String>) + Send>;

/// What became of a request.
enum Outcome {
    Taken,
    /// Repeating it would not help.
    Refused(String),
    /// It may be taken later: after the wait that the collector requests, if it does.
    Failed(String, Option<Duration>),
}

/// The body of an answer to a request that was taken in part or with a warning.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    partial_success: PartialSuccess,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialSuccess {
    error_message: String,
}

impl Exporter {
    pub(super) fn new(
        url: Url,
        events: Receiver<Box<EventRecord>>,
        shared: Arc<Shared>,
        report: Report,
    ) -> Self {
        Self {
            url,
            client: Client::new(),
            host: super::super::host_name(),
            events,
            shared,
            report,
            is_failing: false,
        }
    }

    /// Sends events until their sender is gone and the last ones are sent, or cannot be.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.events.recv().await {
            let batch = self.batch(*first).await;
            self.deliver(&batch).await;
        }
    }

    async fn batch(&mut self, first: EventRecord) -> Vec<EventRecord> {
        let mut batch = vec![first];
        let end = tokio::time::Instant::now() + LINGER;
        while batch.len() < BATCH {
            match timeout_at(end, self.events.recv()).await {
                Ok(Some(event)) => batch.push(*event),
                Ok(None) | Err(_) => break,
            }
        }
        batch
    }

    /// Sends a batch until the collector takes it or refuses it for good.
    async fn deliver(&mut self, batch: &[EventRecord]) {
        let body = record::request(batch, &self.host);
        let mut wait = FIRST_WAIT;
        loop {
            let requested = match self.post(&body).await {
                Outcome::Taken => return self.recovered(),
                Outcome::Refused(problem) => return self.fail(&problem),
                Outcome::Failed(problem, requested) => {
                    self.fail(&problem);
                    requested
                }
            };
            if self.events.is_closed() {
                return tracing::warn!("{}: the last events were not sent", self.url);
            }
            let wait_now = requested.map_or(wait, |requested| requested.clamp(wait, LONGEST_WAIT));
            tokio::select! {
                () = sleep(wait_now) => {}
                () = self.shared.ended.notified() => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn post(&self, body: &str) -> Outcome {
        let request = Request::post(self.url.clone(), body.to_owned())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .within(TIMEOUT);
        match self.client.send(request, self.url.local_addresses()).await {
            Ok(answer) => outcome(&answer),
            Err(error) => Outcome::Failed(error.to_string(), None),
        }
    }

    fn recovered(&mut self) {
        let dropped = self.shared.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(
                "{}: it lacks {dropped} denials and changes, for which there was no room; they are in the journal",
                self.url
            );
        }
        if std::mem::take(&mut self.is_failing) {
            self.report(None);
        }
    }

    fn fail(&mut self, problem: &str) {
        self.is_failing = true;
        self.report(Some(format!(
            "{}: {problem}; what it misses is in the journal and in the event log",
            self.url
        )));
    }

    /// A successor with another configuration reports for itself.
    fn report(&self, failure: Option<String>) {
        if !self.events.is_closed() {
            (self.report)(failure);
        }
    }
}

fn outcome(answer: &Response) -> Outcome {
    let status = answer.status();
    if RETRYABLE.contains(&status) {
        let wait = answer.retry_after(SystemTime::now());
        return Outcome::Failed(format!("it answers {status}"), wait);
    }
    if !status.is_success() {
        return Outcome::Refused(format!(
            "it answers {status}; is this the URL of an OpenTelemetry collector that takes logs?"
        ));
    }
    // An empty answer, or one in another encoding, says nothing of records that were not taken.
    let said: Answer = serde_json::from_slice(answer.body()).unwrap_or_default();
    let problem = said.partial_success.error_message;
    if problem.is_empty() {
        return Outcome::Taken;
    }
    let problem: String = printable::line(&problem).chars().take(MOST_TEXT).collect();
    Outcome::Refused(format!("it does not take all events: {problem}"))
}
