//! Floods of denials and of control connections.

use std::{
    collections::VecDeque,
    io::Write as _,
    net::Ipv6Addr,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lab::{
    clients::stream::Plan,
    fixtures::fixture::{Fixture, RATE},
    topology::addresses::STORAGE,
};
use serde_json::Value;

use crate::STREAM;

/// Duration of the flood on the control socket.
const FLOOD: Duration = Duration::from_secs(3);

#[test]
fn a_flood_of_denials_changes_no_verdict_and_is_reported_in_sums() -> Result<()> {
    let fixture = Fixture::start(STREAM, "")?;
    // Distinct addresses, so that each denial would be an event.
    let account = |last: u16| Ipv6Addr::new(0x2001, 0xdb8, 0xb10b, 0, 0, 0, 1, last).into();
    let plan = Plan {
        allowed: Plan::lab_default(RATE).allowed,
        protected: (0..4500).map(account).collect(),
        rate: 10,
    };
    fixture.enforcer.signal(libc::SIGSTOP)?;
    let flooded = fixture.one_second(&fixture.lab.device(), &plan);
    fixture.enforcer.signal(libc::SIGCONT)?;
    let flooded = flooded?;
    assert!(
        flooded.refused >= 2 * 4500 && flooded.passed.is_empty(),
        "{flooded:?}"
    );
    assert!(
        flooded.answered > 5 && flooded.failed.is_empty(),
        "{flooded:?}"
    );
    assert_eq!(fixture.counter.packets_to(&STORAGE)?, 0);

    let has_suppressed =
        |status: &Value| status["counters"]["suppressed-events"].as_u64() > Some(8000);
    let status = fixture
        .enforcer
        .await_status("suppressed events", has_suppressed)?;
    assert_eq!(status["counters"]["lost-events"], 0);
    let report = fixture.enforcer.cli(["status"])?.success()?;
    assert!(report.contains("only in summary events"), "{report}");
    fixture.check_for_a_second()?;
    has_event(&fixture, "203.0.113.66")
}

#[test]
fn a_flood_on_the_control_socket_affects_nothing() -> Result<()> {
    let fixture = Fixture::start(STREAM, "")?;
    let socket = fixture.lab.dir().join("enforcer/run/control.sock");
    let stream = fixture.stream()?;
    let mut open = VecDeque::new();
    let start = Instant::now();
    // As many as possible in FLOOD, during the stream.
    for number in (0..u32::MAX).take_while(|number| *number < 2000 || start.elapsed() < FLOOD) {
        let mut connection =
            UnixStream::connect(&socket).with_context(|| format!("connection {number}"))?;
        let garbage: &[u8] = match number % 4 {
            0 => b"",
            1 => b"GET /events?follow=1 HTTP/1.1\r\nhost: a\r\n\r\n",
            2 => b"\x16\x03\x01\x02\x00\x01\xff\xfe\r\n\r\n",
            _ => &[b'A'; 9000],
        };
        // The daemon may close the connection before reading everything.
        drop(connection.write_all(garbage));
        open.push_back(connection);
        if open.len() > 400 {
            open.pop_front();
        }
    }
    fixture.check(&stream.end()?)?;
    drop(open);
    fixture.enforcer.await_status("an answer", |_| true)?;
    has_event(&fixture, "203.0.113.66")
}

/// Checks that the daemon reports a denial of `destination`.
fn has_event(fixture: &Fixture, destination: &str) -> Result<()> {
    let events = fixture.enforcer.json(["events"])?;
    let is_reported = events
        .as_array()
        .into_iter()
        .flatten()
        .any(|event| event["destination"] == destination);
    ensure!(is_reported, "no event for {destination}: {events}");
    Ok(())
}
