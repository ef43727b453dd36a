//! Each denial once, from the disk or from memory.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::Log;
use crate::core::EventKind;
use crate::core::test_data::event;

fn log_in(state: &Path) -> EventLog {
    let log = EventLog::new();
    log.keep_in(state, &Log::default());
    log
}

/// Reads a history to its end, as the server does.
fn all(log: &EventLog, from: Timestamp) -> Vec<EventRecord> {
    let kept = log
        .directory()
        .map(|path| Reader::open(&path, from).unwrap());
    let mut merge = Merge {
        kept,
        ..Merge::new(log.held(), from)
    };
    let mut read = Vec::new();
    loop {
        let (events, is_end) = merge.next_events().unwrap();
        read.extend(events);
        if is_end {
            return read;
        }
    }
}

fn numbers(events: &[EventRecord]) -> Vec<u64> {
    let mut numbers: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    numbers.sort_unstable();
    numbers
}

fn denials(events: &[EventRecord]) -> u64 {
    events.iter().map(|event| event.duplicates + 1).sum()
}

/// Gives the thread of the log time to take what waits.
fn pause(number: u32) {
    if number.is_multiple_of(256) {
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn events_that_memory_displaced_are_read_from_the_disk() {
    let state = tempfile::tempdir().unwrap();
    let log = log_in(state.path());
    // It stays in memory, and is older than what is displaced.
    log.push(EventRecord::note(
        EventKind::Mode,
        "enforce".to_owned(),
        event().time,
    ));
    for number in 0..3000_u32 {
        log.push(EventRecord {
            unit: Some(format!("{}.service", number % 100)),
            ..event()
        });
        pause(number);
    }
    assert_eq!(
        numbers(&all(&log, Timestamp::MIN)),
        (1..=3001).collect::<Vec<u64>>()
    );
    let later = event().time + jiff::SignedDuration::from_secs(1);
    assert!(all(&log, later).is_empty());
    log.close();
    assert_eq!(
        numbers(&all(&log, Timestamp::MIN)),
        (1..=3001).collect::<Vec<u64>>()
    );
}

#[test]
fn a_flood_is_counted_once_whether_memory_has_its_details_or_not() {
    let state = tempfile::tempdir().unwrap();
    let log = log_in(state.path());
    for number in 0..3000_u32 {
        log.push(event());
        pause(number);
    }
    log.close();
    let whole = all(&log, Timestamp::MIN);
    assert_eq!(denials(&whole), 3000);
    assert!(whole.len() > 1024, "memory has the last ones one by one");
    // Another daemon has no more than the disk.
    let log = log_in(state.path());
    let whole = all(&log, Timestamp::MIN);
    assert_eq!((whole.len(), denials(&whole)), (65, 3000));
    log.push(event());
    assert_eq!(denials(&all(&log, Timestamp::MIN)), 3001);
}

#[test]
fn without_a_log_a_history_has_what_is_in_memory() {
    let log = EventLog::new();
    (0..3).for_each(|_| log.push(event()));
    assert_eq!(numbers(&all(&log, Timestamp::MIN)), [1, 2, 3]);
}

#[tokio::test]
async fn the_body_has_all_lines() {
    use http_body_util::BodyExt as _;
    let state = tempfile::tempdir().unwrap();
    let log = log_in(state.path());
    for number in 0..1000_u32 {
        log.push(EventRecord {
            unit: Some(format!("{}.service", number % 100)),
            ..event()
        });
        pause(number);
    }
    let body = History::new(&log, Timestamp::MIN).collect().await.unwrap();
    let lines = body.to_bytes().split(|byte| *byte == b'\n').count();
    assert_eq!(lines, 1000 + 1);
}
