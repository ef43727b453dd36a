//! What `verify` finds.

use std::fs;
use std::path::Path;

use super::*;
use crate::log_files::chain::LineHash;

fn log_of(events: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    append(&mut open(directory.path()), 1..=events);
    directory
}

fn edit(directory: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let path = &paths(directory)[0];
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(path, text).unwrap();
}

fn broken_lines(directory: &Path) -> Vec<u64> {
    let breaks = verify(directory).unwrap().breaks;
    breaks.iter().map(|broken| broken.line).collect()
}

#[test]
fn an_unchanged_log_is_whole_and_names_its_last_hash() {
    let directory = log_of(5);
    let verified = verify(directory.path()).unwrap();
    assert_eq!((verified.events, verified.breaks.len()), (5, 0));
    assert_eq!(verified.before, LineHash::NONE);
    let text = fs::read(&paths(directory.path())[0]).unwrap();
    let last = text.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
    assert_eq!(verified.head, LineHash::of(last.unwrap()));
    assert_eq!(verified.head, open(directory.path()).head());
}

/// The value that `printf abc | sha256sum` prints.
#[test]
fn the_hash_is_that_of_sha256sum() {
    assert_eq!(
        LineHash::of(b"abc").to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[test]
fn a_changed_line_breaks_the_next_one() {
    let directory = log_of(5);
    edit(directory.path(), |lines| {
        assert!(lines[2].contains("azcopy"));
        lines[2] = lines[2].replace("azcopy", "benign");
    });
    assert_eq!(broken_lines(directory.path()), [4]);
}

#[test]
fn a_removed_or_repeated_line_breaks_the_chain() {
    let directory = log_of(5);
    edit(directory.path(), |lines| {
        lines.remove(2);
    });
    assert_eq!(broken_lines(directory.path()), [3]);
    let directory = log_of(5);
    edit(directory.path(), |lines| lines.insert(2, lines[1].clone()));
    assert_eq!(broken_lines(directory.path()), [3]);
}

#[test]
fn a_damaged_line_is_reported_skipped_and_continued_after() {
    let directory = log_of(5);
    edit(directory.path(), |lines| {
        lines[4] = "{\"previous\":\"00\"}".to_owned();
    });
    assert_eq!(broken_lines(directory.path()), [5]);
    append(&mut open(directory.path()), [6]);
    assert_eq!(broken_lines(directory.path()), [5]);
    assert_eq!(read(directory.path(), 0), [1, 2, 3, 4, 6]);
}

#[test]
fn a_missing_file_breaks_the_chain() {
    let directory = log_of(1000);
    fs::remove_file(&paths(directory.path())[1]).unwrap();
    let breaks = verify(directory.path()).unwrap().breaks;
    let problems: Vec<_> = breaks.iter().map(|broken| &*broken.problem).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(problems[0], "a file before it is missing");
}

#[test]
fn a_line_without_an_end_is_bounded() {
    let directory = log_of(2);
    let path = &paths(directory.path())[0];
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, format!("{}\n{text}", "x".repeat(300_000))).unwrap();
    assert_eq!(read(directory.path(), 0), [1, 2]);
    assert!(!broken_lines(directory.path()).is_empty());
}

#[test]
fn removed_first_lines_of_the_first_file_show() {
    let directory = log_of(5);
    edit(directory.path(), |lines| {
        lines.remove(0);
    });
    assert_eq!(broken_lines(directory.path()), [1]);
}
