//! Numbers, shares and waiting.

use super::*;
use crate::core::EventKind;
use crate::core::test_data::event;

fn note(message: &str) -> EventRecord {
    EventRecord::note(
        EventKind::Mode,
        message.to_owned(),
        jiff::Timestamp::UNIX_EPOCH,
    )
}

fn sequences(records: &[EventRecord]) -> Vec<u64> {
    records.iter().map(|record| record.sequence).collect()
}

#[test]
fn events_are_numbered_from_one_and_read_after_a_sequence_number() {
    let log = EventLog::new();
    (0..4).for_each(|_| log.push(event()));
    assert_eq!(sequences(&log.since(0, 9)), [1, 2, 3, 4]);
    assert_eq!(sequences(&log.since(2, 9)), [3, 4]);
    assert_eq!(sequences(&log.since(1, 2)), [2, 3]);
    assert!(log.since(4, 9).is_empty());
}

#[test]
fn a_full_ring_drops_its_oldest_event() {
    let log = EventLog::new();
    (0..=MOST_EVENTS).for_each(|_| log.push(event()));
    let held = sequences(&log.since(0, usize::MAX));
    assert_eq!((held.len(), held[0]), (MOST_EVENTS, 2));
}

fn denial(cgroup: Option<&str>, unit: Option<&str>, container: Option<&str>) -> EventRecord {
    EventRecord {
        cgroup: cgroup.map(Into::into),
        unit: unit.map(str::to_owned),
        container: container.map(str::to_owned),
        ..event()
    }
}

fn flood(log: &EventLog, record: &EventRecord) {
    (0..MOST_EVENTS + 64).for_each(|_| log.push(record.clone()));
}

#[test]
fn a_flood_displaces_only_itself() {
    let notes_and_denials = [
        note("mode: audit, then enforce"),
        denial(Some("/system.slice/plc.service"), Some("plc.service"), None),
        denial(Some("/docker/a"), None, Some("a")),
        denial(Some("/docker/b"), None, Some("b")),
        denial(Some("/plant"), None, None),
        denial(None, None, None),
    ];
    for (at, flooding) in notes_and_denials.iter().enumerate() {
        let log = EventLog::new();
        notes_and_denials
            .iter()
            .for_each(|record| log.push(record.clone()));
        flood(&log, flooding);
        let held = sequences(&log.since(0, usize::MAX));
        assert_eq!(held.len(), MOST_EVENTS);
        let expected: Vec<u64> = (1..=6).filter(|number| *number != at as u64 + 1).collect();
        assert_eq!(held[..5], expected, "{flooding:?}");
        assert_eq!(held.last(), Some(&log.last()));
    }
}

#[test]
fn cgroups_below_a_unit_displace_those_of_that_unit_only() {
    let log = EventLog::new();
    let of_user = |cgroup: &str| {
        let cgroup = format!("/user.slice/user-1000.slice/user@1000.service/{cgroup}");
        denial(Some(&cgroup), Some("user@1000.service"), None)
    };
    log.push(of_user("app-quiet.scope"));
    let other = denial(Some("/system.slice/plc.service"), Some("plc.service"), None);
    (0..100).for_each(|_| log.push(other.clone()));
    flood(&log, &of_user("app-flood.scope"));
    let held = sequences(&log.since(0, 102));
    assert_eq!(held[..101], (1..=101).collect::<Vec<u64>>());
    for number in 0..MOST_EVENTS {
        log.push(of_user(&number.to_string()));
    }
    let held = sequences(&log.since(1, 101));
    assert_eq!(held[..100], (2..=101).collect::<Vec<u64>>());
}

#[test]
fn in_a_tie_of_groups_the_oldest_event_is_dropped() {
    let log = EventLog::new();
    for number in 0..=MOST_EVENTS {
        let cgroup = format!("/{}", MOST_EVENTS - number);
        log.push(denial(Some(&cgroup), None, None));
    }
    let held = sequences(&log.since(0, usize::MAX));
    assert_eq!((held.len(), held[0]), (MOST_EVENTS, 2));
    assert_eq!(held.last(), Some(&log.last()));
}

#[tokio::test]
async fn a_follower_continues_after_displaced_events() {
    let log = EventLog::new();
    log.push(note("mode: enforce"));
    flood(&log, &event());
    log.wait(1).await;
    let next = log.since(1, 9);
    let first_held = log.last() + 2 - MOST_EVENTS as u64;
    assert_eq!(next[0].sequence, first_held);
    log.push(event());
    log.wait(log.last() - 1).await;
    assert_eq!(sequences(&log.since(log.last() - 1, 9)), [log.last()]);
}

#[test]
fn a_sequence_number_of_an_earlier_daemon_returns_all_events() {
    let log = EventLog::new();
    assert!(log.since(500, 9).is_empty());
    log.push(event());
    assert_eq!(sequences(&log.since(500, 9)), [1]);
}

#[tokio::test]
async fn a_waiting_reader_wakes_for_the_next_event_only() {
    let log = EventLog::new();
    log.push(event());
    log.wait(0).await;
    log.wait(500).await;
    let mut waiting = std::pin::pin!(log.wait(1));
    tokio::select! {
        biased;
        () = &mut waiting => panic!("there is no second event yet"),
        () = std::future::ready(()) => {}
    }
    log.push(event());
    waiting.await;
}
