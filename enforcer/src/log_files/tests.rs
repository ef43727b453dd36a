//! The event log on a real file system.

mod aggregating;
mod chain;
mod syslog;

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::append::Opened;
use super::*;
use crate::core::EventRecord;
use crate::core::test_data::event;

/// Smallest size: eight files of 64 KiB.
const SMALL: u64 = 1;

fn open(directory: &Path) -> Appender {
    reopened(directory).log
}

fn reopened(directory: &Path) -> Opened {
    Appender::open(directory, SMALL).unwrap()
}

fn numbered(sequence: u64) -> EventRecord {
    EventRecord {
        sequence,
        time: Timestamp::from_second(i64::try_from(sequence).unwrap()).unwrap(),
        ..event()
    }
}

/// Appends events with these numbers; the time of each is its number in seconds.
fn append(log: &mut Appender, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        log.append(&Entry::single(numbered(number))).unwrap();
    }
}

fn read(directory: &Path, from: i64) -> Vec<u64> {
    let from = Timestamp::from_second(from).unwrap();
    let events = Reader::open(directory, from).unwrap();
    events.map(|entry| entry.unwrap().event.sequence).collect()
}

fn paths(directory: &Path) -> Vec<PathBuf> {
    let files = super::directory::files(directory).unwrap();
    files.into_iter().map(|file| file.path).collect()
}

#[test]
fn events_are_read_back_in_order_from_a_time_on() {
    let directory = tempfile::tempdir().unwrap();
    append(&mut open(directory.path()), 1..=1000);
    assert!(paths(directory.path()).len() > 3, "it was rotated");
    assert_eq!(read(directory.path(), 0), (1..=1000).collect::<Vec<u64>>());
    assert_eq!(
        read(directory.path(), 900),
        (900..=1000).collect::<Vec<u64>>()
    );
    assert_eq!(read(directory.path(), 2000), [0; 0]);
}

#[test]
fn the_end_of_the_log_is_read_from_a_whole_line_on() {
    let directory = tempfile::tempdir().unwrap();
    append(&mut open(directory.path()), 1..=1000);
    let files = paths(directory.path());
    let lines_of = |path: &Path| fs::read_to_string(path).unwrap();
    let lines: Vec<String> = files[files.len() - 2..]
        .iter()
        .map(|path| lines_of(path))
        .collect();
    let shortest = lines.iter().map(String::len).min().unwrap();
    for tail in (1..2000).chain([shortest - 1, shortest, shortest + 1, usize::MAX]) {
        let begins_within = |text: &str| {
            let begin = text.len().saturating_sub(tail);
            let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
            [0].into_iter()
                .chain(breaks)
                .filter(|at| (begin..text.len()).contains(at))
                .count()
        };
        let expected: Vec<usize> = lines.iter().map(|text| begins_within(text)).collect();
        let reader = Reader::open_last(directory.path(), tail as u64).unwrap();
        let read: Vec<Entry> = reader.map(Result::unwrap).collect();
        assert_eq!(read.len(), expected.iter().sum::<usize>(), "{tail}");
        if expected[1] > 0 {
            assert_eq!(read.last(), Some(&Entry::single(numbered(1000))));
        }
    }
}

#[test]
fn a_log_that_does_not_exist_has_no_event() {
    let directory = tempfile::tempdir().unwrap();
    let none = directory.path().join("none");
    assert_eq!(read(&none, 0), [0; 0]);
    assert_eq!(verify(&none).unwrap().events, 0);
}

#[test]
fn a_restart_continues_the_log() {
    let directory = tempfile::tempdir().unwrap();
    append(&mut open(directory.path()), 1..=5);
    let mut opened = reopened(directory.path());
    assert_eq!((opened.last_sequence, opened.incomplete), (5, 0));
    append(&mut opened.log, 6..=7);
    assert_eq!(read(directory.path(), 0), [1, 2, 3, 4, 5, 6, 7]);
    assert!(verify(directory.path()).unwrap().breaks.is_empty());
}

#[test]
fn a_restart_right_after_a_rotation_continues_the_chain() {
    let directory = tempfile::tempdir().unwrap();
    append(&mut open(directory.path()), 1..=5);
    fs::write(super::directory::path(directory.path(), 2), "").unwrap();
    let mut opened = reopened(directory.path());
    assert_eq!(opened.last_sequence, 5);
    append(&mut opened.log, [6]);
    assert!(verify(directory.path()).unwrap().breaks.is_empty());
}

/// As a power failure leaves it.
#[test]
fn an_incomplete_last_line_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    append(&mut open(directory.path()), 1..=5);
    let path = &paths(directory.path())[0];
    let text = fs::read(path).unwrap();
    fs::write(path, &text[..text.len() - 7]).unwrap();
    let mut opened = reopened(directory.path());
    assert_eq!(opened.last_sequence, 4);
    assert!(opened.incomplete > 7);
    append(&mut opened.log, [6]);
    assert_eq!(read(directory.path(), 0), [1, 2, 3, 4, 6]);
    assert!(verify(directory.path()).unwrap().breaks.is_empty());
}

#[test]
fn the_log_stays_within_its_size_and_loses_its_oldest_events() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    append(&mut log, 1..=4000);
    let files = super::directory::files(directory.path()).unwrap();
    let total: u64 = files.iter().map(|file| file.length).sum();
    assert!((7..=8).contains(&files.len()), "{}", files.len());
    assert!(total <= 8 * 64 * 1024, "{total}");
    let held = read(directory.path(), 0);
    assert_eq!(held.last(), Some(&4000));
    assert!(held[0] > 1);
    let verified = verify(directory.path()).unwrap();
    assert!(verified.breaks.is_empty(), "{:?}", verified.breaks);
    assert_eq!(verified.events, held.len() as u64);
}

#[test]
fn a_second_process_cannot_append() {
    let directory = tempfile::tempdir().unwrap();
    let _first = open(directory.path());
    let second = Appender::open(directory.path(), SMALL);
    assert!(second.is_err_and(|error| error.kind() == std::io::ErrorKind::ResourceBusy));
}

#[test]
fn only_root_reads_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("events");
    append(&mut open(&log), [1]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&log), mode(&paths(&log)[0])), (0o700, 0o600));
}

#[test]
fn an_entry_that_is_too_long_to_be_read_back_is_shortened() {
    let directory = tempfile::tempdir().unwrap();
    let name = "a.contoso.azurecr.io".parse::<crate::name::Name>().unwrap();
    let long = EventRecord {
        message: Some("\u{1}".repeat(300_000)),
        cgroup: Some("/x".repeat(100_000).into()),
        names: vec![name; 5000],
        ..numbered(2)
    };
    let mut log = open(directory.path());
    append(&mut log, [1]);
    log.append(&Entry::single(long)).unwrap();
    append(&mut log, [3]);
    assert_eq!(read(directory.path(), 0), [1, 2, 3]);
    assert!(verify(directory.path()).unwrap().breaks.is_empty());
}

#[test]
fn files_of_others_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let names = [
        "events-5.jsonl",
        "events-+00000000001.jsonl",
        "events-18446744073709551616.jsonl",
        "notes.txt",
    ];
    for name in names {
        fs::write(directory.path().join(name), "x").unwrap();
    }
    append(&mut open(directory.path()), 1..=4000);
    assert!(verify(directory.path()).unwrap().breaks.is_empty());
    assert!(
        names
            .iter()
            .all(|name| directory.path().join(name).exists())
    );
}

#[test]
fn a_file_that_somebody_removed_or_emptied_is_noticed() {
    for change in [
        |path: &Path| fs::remove_file(path).unwrap(),
        |path: &Path| fs::write(path, "").unwrap(),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut log = open(directory.path());
        append(&mut log, 1..=5);
        log.sync().unwrap();
        change(&paths(directory.path())[0]);
        append(&mut log, [6]);
        assert!(log.sync().is_err());
        drop(log);
        append(&mut open(directory.path()), [7]);
    }
}
