//! Requests at a real server.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::*;
use crate::core::test_data::event;
use crate::https::test_server::{ScriptedResponse, TestServer, response};

/// A collector with scripted answers, the last of which repeats.
struct Collector {
    server: TestServer,
    _runtime: tokio::runtime::Runtime,
}

impl Collector {
    fn start(answers: &[ScriptedResponse]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut answers = answers.to_vec();
        answers.reverse();
        let answers = Mutex::new(answers);
        let server = runtime.block_on(TestServer::plain(move |_| {
            let mut answers = answers.lock().unwrap();
            let last = answers.last().cloned().unwrap();
            if answers.len() > 1 {
                answers.pop();
            }
            last
        }));
        Self {
            server,
            _runtime: runtime,
        }
    }

    /// Starts to send, and returns what is reported.
    fn receive(&self) -> (Otlp, Receiver<Option<String>>) {
        let url = format!("http://127.0.0.1:{}", self.server.port);
        let (sender, reports) = channel();
        let report = move |failure| sender.send(failure).unwrap();
        (Otlp::start(&config(&url), report).unwrap(), reports)
    }

    fn await_records(&self, count: usize) -> Vec<Value> {
        let end = Instant::now() + Duration::from_secs(30);
        while self.records().len() < count && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let records = self.records();
        assert_eq!(records.len(), count);
        records
    }

    fn records(&self) -> Vec<Value> {
        let mut records = Vec::new();
        for request in self.server.received() {
            assert_eq!(request.line, "POST /v1/logs");
            assert_eq!(request.header("content-type"), Some("application/json"));
            let body: Value = serde_json::from_str(&request.body).unwrap();
            let scope = &body["resourceLogs"][0]["scopeLogs"][0];
            records.extend(scope["logRecords"].as_array().unwrap().clone());
        }
        records
    }
}

fn config(url: &str) -> LocalUrl {
    let config = format!("registry = []\n[log]\notlp = \"{url}\"\n");
    let config = crate::config::parse(&config, std::path::Path::new("/etc/c.toml")).unwrap();
    config.log.otlp.unwrap()
}

fn next(reports: &Receiver<Option<String>>) -> Option<String> {
    reports.recv_timeout(Duration::from_secs(30)).unwrap()
}

#[test]
fn a_batch_has_all_events_with_their_fields() {
    let collector = Collector::start(&[response(200, &[], "{}")]);
    let (otlp, reports) = collector.receive();
    (0..3).for_each(|_| otlp.send(&event()));
    let records = collector.await_records(3);
    otlp.finish();
    assert_eq!(records[0]["timeUnixNano"], "1787400002000000000");
    assert_eq!(records[0]["severityNumber"], 13);
    assert_eq!(records[0]["eventName"], "egress-enforcer.denied");
    let value = |key: &str| {
        let attributes = records[0]["attributes"].as_array().unwrap();
        let found = attributes.iter().find(|one| one["key"] == key).unwrap();
        found["value"].clone()
    };
    assert_eq!(value("destination.address")["stringValue"], "20.60.0.4");
    assert_eq!(value("destination.port")["intValue"], "443");
    assert_eq!(value("egress_enforcer.reason")["stringValue"], "storage");
    assert_eq!(value("systemd.unit")["stringValue"], "plc.service");
    assert!(reports.try_recv().is_err(), "nothing failed");
}

#[test]
fn what_may_be_taken_later_is_sent_again() {
    let collector = Collector::start(&[
        response(503, &[("retry-after", "1")], ""),
        ScriptedResponse::Bytes(Vec::new()),
        response(200, &[], ""),
    ]);
    let (otlp, reports) = collector.receive();
    otlp.send(&event());
    let failure = next(&reports).unwrap();
    assert!(
        failure.contains("503") && failure.contains("/v1/logs"),
        "{failure}"
    );
    assert!(next(&reports).is_some(), "the connection broke");
    assert_eq!(next(&reports), None);
    assert_eq!(collector.records().len(), 3);
}

#[test]
fn what_is_refused_is_not_sent_again() {
    let problem = r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}"#;
    let number = r#"{"partialSuccess":{"rejectedLogRecords":1}}"#;
    let warning = r#"{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"slow"}}"#;
    let collector = Collector::start(&[
        response(404, &[], ""),
        response(200, &[], problem),
        response(200, &[], number),
        response(200, &[], warning),
    ]);
    let (otlp, reports) = collector.receive();
    for expected in [Some("404"), Some("too old"), Some("not take all"), None] {
        otlp.send(&event());
        match (next(&reports), expected) {
            (Some(failure), Some(words)) => assert!(failure.contains(words), "{failure}"),
            (reported, expected) => assert_eq!(reported.as_deref(), expected),
        }
    }
    collector.await_records(4);
    assert_eq!(
        otlp.shared.lacking(),
        0,
        "logged when it takes events again"
    );
}

#[test]
fn a_collector_that_is_away_delays_neither_events_nor_the_end() {
    let url = config("http://127.0.0.1:9");
    let (sender, reports) = channel();
    let otlp = Otlp::start(&url, move |failure| drop(sender.send(failure))).unwrap();
    let start = Instant::now();
    (0..2 * MOST_WAITING).for_each(|_| otlp.send(&event()));
    assert!(next(&reports).unwrap().contains("127.0.0.1"));
    let lacking = otlp.shared.lacking();
    assert!(lacking > 0, "there is room for {MOST_WAITING} only");
    let shared = Arc::clone(&otlp.shared);
    otlp.finish();
    assert!(start.elapsed() < Duration::from_secs(30));
    let end = Instant::now() + Duration::from_secs(30);
    // The thread has counted and logged what was left.
    while Arc::strong_count(&shared) > 1 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!((Arc::strong_count(&shared), shared.lacking()), (1, 0));
}
