//! The thread with a real directory.

use std::fs;
use std::time::Duration;

use jiff::Timestamp;

use super::disk::Disk;
use super::*;
use crate::config::SyslogFormat;
use crate::core::EventKind;
use crate::core::test_data::event;
use crate::daemon::EventLog;
use crate::log_files::{Entry, Reader, directory, verify};

fn log_in(state: &Path, config: &Log) -> EventLog {
    let log = EventLog::new();
    log.keep_in(state, config);
    log
}

fn kept(state: &Path) -> Vec<u64> {
    let events = Reader::open(&directory(state), Timestamp::MIN).unwrap();
    events.map(|event| event.unwrap().event.sequence).collect()
}

fn push(log: &EventLog, events: usize) {
    (0..events).for_each(|_| log.push(event()));
}

#[test]
fn events_are_numbered_on_and_remembered_over_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let log = log_in(state.path(), &Log::default());
    push(&log, 3);
    log.close();
    let log = log_in(state.path(), &Log::default());
    assert_eq!((log.held().len(), log.last()), (3, 3));
    push(&log, 2);
    log.close();
    assert_eq!(kept(state.path()), [1, 2, 3, 4, 5]);
    assert_eq!(log.since(0, 9).len(), 5);
}

/// As when the daemon is killed: what it wrote is in the kernel's hands.
#[test]
fn events_of_a_daemon_that_does_not_close_its_log_are_kept() {
    let state = tempfile::tempdir().unwrap();
    let log = log_in(state.path(), &Log::default());
    push(&log, 3);
    let patience = Instant::now() + Duration::from_secs(30);
    while kept(state.path()) != [1, 2, 3] {
        assert!(Instant::now() < patience, "{:?}", kept(state.path()));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_flood_is_aggregated_and_every_denial_is_counted() {
    let state = tempfile::tempdir().unwrap();
    let log = log_in(state.path(), &Log::default());
    // In portions that the queue has room for.
    for _ in 0..4 {
        push(&log, 498);
        std::thread::sleep(Duration::from_millis(200));
    }
    log.close();
    let events = Reader::open(&directory(state.path()), Timestamp::MIN).unwrap();
    let counts = events.map(|event| event.unwrap().event.duplicates + 1);
    let (records, denials) =
        counts.fold((0, 0), |(records, sum), count| (records + 1, sum + count));
    assert_eq!((records, denials), (65, 1992));
    assert!(verify(&directory(state.path())).unwrap().bytes < 1 << 20);
}

#[test]
fn a_log_that_cannot_be_opened_is_reported_and_events_stay_in_memory() {
    let state = tempfile::tempdir().unwrap();
    fs::write(directory(state.path()), "a file in place of the directory").unwrap();
    let log = log_in(state.path(), &Log::default());
    push(&log, 2);
    let problem = log.failures().disk.unwrap();
    assert!(problem.contains("cannot be"), "{problem}");
    assert_eq!(log.since(0, 9).len(), 2);
    log.close();
}

#[test]
fn what_could_not_be_written_is_said_in_the_log() {
    let state = tempfile::tempdir().unwrap();
    let mut disk = Disk::new(directory(state.path()), &Log::default());
    disk.remember();
    disk.missed(7);
    disk.write(&Entry::single(event()));
    disk.close();
    let mut events = Reader::open(&directory(state.path()), Timestamp::MIN).unwrap();
    let note = events.next().unwrap().unwrap().event;
    assert_eq!(note.kind(), EventKind::EventLog);
    assert!(
        note.sentence().starts_with("7 denials and changes before"),
        "{}",
        note.sentence()
    );
    assert_eq!(events.count(), 1);
}

#[test]
fn nothing_is_kept_where_the_configuration_wants_none() {
    let state = tempfile::tempdir().unwrap();
    let none = Log {
        size: 0,
        ..Log::default()
    };
    let log = log_in(state.path(), &none);
    push(&log, 2);
    log.close();
    assert!(!directory(state.path()).exists());
    assert_eq!(log.directory(), None);
}

#[test]
fn a_syslog_socket_without_a_receiver_is_reported() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("nobody");
    let config = Log {
        syslog: Some((path, SyslogFormat::Rfc5424)),
        ..Log::default()
    };
    let log = log_in(state.path(), &config);
    push(&log, 1);
    let patience = Instant::now() + Duration::from_secs(30);
    let problem = loop {
        match log.failures().syslog {
            Some(problem) => break problem,
            None => assert!(Instant::now() < patience, "not reported"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(problem.contains("nobody"), "{problem}");
    log.close();
    assert_eq!(kept(state.path()), [1]);
}

#[test]
fn a_log_that_fails_is_opened_again_and_says_what_it_lacks() {
    let state = tempfile::tempdir().unwrap();
    let place = directory(state.path());
    fs::write(&place, "a file in place of the directory").unwrap();
    let mut disk = Disk::new(place.clone(), &Log::default());
    disk.remember();
    disk.write(&Entry::single(EventRecord {
        sequence: 1,
        duplicates: 4,
        ..event()
    }));
    assert!(disk.failure().is_some() && disk.due_at().is_some());
    fs::remove_file(&place).unwrap();
    disk.close();
    assert!(disk.failure().is_some(), "not before it is due");
    std::thread::sleep(
        disk.due_at()
            .unwrap()
            .saturating_duration_since(Instant::now()),
    );
    disk.do_what_is_due();
    assert_eq!((disk.failure(), disk.due_at().is_some()), (None, true));
    disk.close();
    let mut events = Reader::open(&place, Timestamp::MIN).unwrap();
    let note = events.next().unwrap().unwrap().event.sentence();
    assert!(note.starts_with("5 denials and changes"), "{note}");
    assert!(events.next().is_none());
}

/// As after a start during which the disk was full.
#[test]
fn numbers_go_on_after_those_of_a_log_that_is_opened_later() {
    let state = tempfile::tempdir().unwrap();
    let log = log_in(state.path(), &Log::default());
    push(&log, 5);
    log.close();
    let none = Log {
        size: 0,
        ..Log::default()
    };
    let log = log_in(state.path(), &none);
    push(&log, 2);
    log.keep_in(state.path(), &Log::default());
    let patience = Instant::now() + Duration::from_secs(30);
    while !directory(state.path()).exists() || log.last() <= 5 {
        assert!(Instant::now() < patience, "{}", log.last());
        push(&log, 1);
        std::thread::sleep(Duration::from_millis(10));
    }
    log.close();
    // Those before the thread had opened it have numbers of their own daemon.
    let kept = kept(state.path());
    assert_eq!(kept[..5], [1, 2, 3, 4, 5]);
    let later = 5 + kept[5..].iter().position(|number| *number > 5).unwrap();
    assert!(kept[later..].is_sorted(), "{kept:?}");
}
