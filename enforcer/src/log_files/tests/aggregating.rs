//! Floods.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::*;
use crate::core::EventKind;

const MINUTE: u64 = 60;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn to(number: u32) -> EventRecord {
    EventRecord {
        sequence: number.into(),
        destination: Some(IpAddr::from(Ipv4Addr::from_bits(0x143c_0000 + number))),
        ..event()
    }
}

/// As when one process scans a service tag.
#[test]
fn of_1992_addresses_in_a_second_64_are_written_and_the_rest_is_one_record() {
    let mut aggregator = Aggregator::default();
    let admitted = (0..1992).filter_map(|number| aggregator.admit(to(number), at(0)));
    assert_eq!(admitted.count(), 64);
    assert_eq!(aggregator.due_at(), Some(at(5 * MINUTE)));
    assert!(aggregator.due(at(5 * MINUTE - 1)).is_empty());
    let [
        Entry {
            first,
            event: aggregated,
        },
    ] = <[_; 1]>::try_from(aggregator.due(at(5 * MINUTE))).unwrap();
    assert_eq!((first, aggregated.sequence), (Some(64), 1991));
    assert_eq!(aggregated.duplicates + 1, 1992 - 64);
    assert_eq!(
        (aggregated.destination, aggregated.port),
        (None, event().port)
    );
    assert_eq!(
        (&aggregated.unit, &aggregated.command),
        (&event().unit, &event().command)
    );
    assert_eq!(
        aggregated.sentence(),
        "denied azcopy(42) of plc.service, tcp to several destinations: \
         an Azure storage address that no allowed name resolves to (1928 times)"
    );
    assert_eq!(aggregator.due_at(), None);
}

#[test]
fn a_flood_hides_no_event_of_another_unit_or_rule() {
    let mut aggregator = Aggregator::default();
    for number in 0..1000 {
        aggregator.admit(to(number), at(0));
    }
    let unit = EventRecord {
        unit: Some("other.service".to_owned()),
        ..event()
    };
    let rule = EventRecord {
        reason: "registry".to_owned(),
        ..event()
    };
    for other in [unit, rule] {
        assert_eq!(aggregator.admit(other.clone(), at(0)), Some(other));
    }
}

#[test]
fn a_flood_without_an_end_writes_two_records_every_five_minutes() {
    let mut aggregator = Aggregator::default();
    let mut written = 0;
    for second in 0..24 * 60 * MINUTE {
        written += usize::from(aggregator.admit(to(7), at(second)).is_some());
        written += aggregator.due(at(second)).len();
    }
    assert!((288..=64 + 2 * 288).contains(&written), "{written}");
}

#[test]
fn what_is_aggregated_at_the_end_is_not_lost() {
    let mut aggregator = Aggregator::default();
    let admitted = (0..100).filter_map(|number| aggregator.admit(to(number), at(0)));
    let written = admitted.count() as u64;
    let rest: u64 = aggregator
        .rest()
        .iter()
        .map(|entry| entry.event.duplicates + 1)
        .sum();
    assert_eq!(written + rest, 100);
    assert!(aggregator.rest().is_empty());
}

#[test]
fn groups_without_number_share_one_budget() {
    let mut aggregator = Aggregator::default();
    let of = |number: u32| EventRecord {
        unit: None,
        container: Some(format!("{number:064x}")),
        ..event()
    };
    let admitted = (0..10_000).filter_map(|number| aggregator.admit(of(number), at(0)));
    assert_eq!(admitted.count(), 256 + 64);
    // Groups that were quiet for long make room.
    assert!(aggregator.rest().len() <= 257);
    assert!(aggregator.admit(of(20_000), at(24 * 60 * MINUTE)).is_some());
}

#[test]
fn notes_are_never_aggregated() {
    let mut aggregator = Aggregator::default();
    let note = EventRecord::note(EventKind::Names, "they came".to_owned(), event().time);
    for _ in 0..1000 {
        assert_eq!(aggregator.admit(note.clone(), at(0)), Some(note.clone()));
    }
}

#[test]
fn aggregated_totals_are_totals() {
    let total = EventRecord {
        reason: "suppressed".to_owned(),
        message: Some("300 denials".to_owned()),
        duplicates: 299,
        ..event()
    };
    let later = EventRecord {
        message: Some("200 denials".to_owned()),
        duplicates: 199,
        ..total.clone()
    };
    let sum = total.aggregated_with(&later);
    assert_eq!(
        sum.sentence(),
        "500 denials of plc.service were too many for an event each"
    );
}
