//! The thread that sends batches of events, and repeats what failed for a time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::record;
use super::shared::Shared;
use crate::core::EventRecord;
use crate::https::{Client, HttpsError, Request, Response, Url};
use crate::printable;

/// The most events of a request, and how long the first one waits for others.
const BATCH: usize = 64;
const LINGER: Duration = Duration::from_secs(1);
/// Timeout of a request (the default of OpenTelemetry's exporters), and the longest answer, in bytes.
const TIMEOUT: Duration = Duration::from_secs(10);
const MOST_ANSWER: u64 = 64 << 10;
/// Bounds of the wait before a request is repeated, and the longest one that a collector can request.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_REQUESTED: Duration = Duration::from_secs(600);
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
    is_failing: bool,
}

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
    rejected_log_records: Count,
    error_message: String,
}

/// A 64-bit number, which JSON of protocol buffers has as text; receivers also write numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(i64),
    Text(String),
}

impl Default for Count {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Exporter {
    pub(super) fn new(url: Url, events: Receiver<Box<EventRecord>>, shared: Arc<Shared>) -> Self {
        Self {
            url,
            client: Client::new(),
            host: super::super::host_name(),
            events,
            shared,
            is_failing: false,
        }
    }

    /// Sends events until their sender is gone and the last ones are sent, or cannot be.
    pub(super) fn work(self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.run()),
            Err(error) => {
                let failure = format!("{}: no event loop for it: {error}", self.url);
                self.shared.report(Some(failure));
            }
        }
    }

    async fn run(mut self) {
        while let Some(first) = self.next().await {
            let batch = self.batch(first).await;
            if !self.deliver(&batch).await {
                // The rest would fare as this one.
                while let Ok(event) = self.events.try_recv() {
                    self.shared.lose([&*event]);
                }
            }
        }
        self.shared.log_losses(&self.url);
    }

    /// Returns the next event. Meanwhile, asks a collector that refused events whether it takes them now.
    async fn next(&mut self) -> Option<EventRecord> {
        loop {
            if !self.is_failing {
                return self.events.recv().await.map(|event| *event);
            }
            match timeout(LONGEST_WAIT, self.events.recv()).await {
                Ok(event) => return event.map(|event| *event),
                Err(_elapsed) => {
                    if let Outcome::Taken = self.post(&record::request(&[], &self.host)).await {
                        self.recovered();
                    }
                }
            }
        }
    }

    async fn batch(&mut self, first: EventRecord) -> Vec<EventRecord> {
        let mut batch = vec![first];
        let end = Instant::now() + LINGER;
        while batch.len() < BATCH {
            match timeout_at(end, self.events.recv()).await {
                Ok(Some(event)) => batch.push(*event),
                Ok(None) | Err(_) => break,
            }
        }
        batch
    }

    /// Sends a batch until the collector takes it or refuses it for good; returns `false` if it did neither before the end.
    async fn deliver(&mut self, batch: &[EventRecord]) -> bool {
        let body = record::request(batch, &self.host);
        let mut wait = FIRST_WAIT;
        loop {
            let requested = match self.post(&body).await {
                Outcome::Taken => {
                    self.recovered();
                    return true;
                }
                Outcome::Refused(problem) => {
                    self.shared.lose(batch);
                    self.fail(&problem);
                    return true;
                }
                Outcome::Failed(problem, requested) => {
                    self.fail(&problem);
                    requested
                }
            };
            if self.events.is_closed() {
                self.shared.lose(batch);
                return false;
            }
            let requested = requested.unwrap_or_default().min(LONGEST_REQUESTED);
            tokio::select! {
                () = sleep(requested.max(wait)) => {}
                () = self.shared.ended.notified() => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn post(&self, body: &str) -> Outcome {
        let request = Request::post(self.url.clone(), body.to_owned())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .within(TIMEOUT)
            .at_most(MOST_ANSWER);
        match self.client.send(request, self.url.local_addresses()).await {
            Ok(answer) => outcome(&answer),
            // It has the events.
            Err(error @ HttpsError::TooLarge { .. }) => Outcome::Refused(error.to_string()),
            Err(error) => Outcome::Failed(error.to_string(), None),
        }
    }

    fn recovered(&mut self) {
        self.shared.log_losses(&self.url);
        if std::mem::take(&mut self.is_failing) {
            self.shared.report(None);
        }
    }

    fn fail(&mut self, problem: &str) {
        self.is_failing = true;
        self.shared.report(Some(format!(
            "{}: {problem}; what it misses is in the journal and in the event log",
            self.url
        )));
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
    let said = said.partial_success;
    let text: String = printable::line(&said.error_message)
        .chars()
        .take(MOST_TEXT)
        .collect();
    let is_rejected = match said.rejected_log_records {
        Count::Number(number) => number != 0,
        Count::Text(text) => !["", "0"].contains(&text.as_str()),
    };
    match is_rejected {
        true => Outcome::Refused(format!("it does not take all events: {text}")),
        // A warning, if there is a text (OTLP, "Partial Success").
        false => Outcome::Taken,
    }
}
