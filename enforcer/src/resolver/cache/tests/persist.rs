//! Saving and restoring, with a wall clock that may be wrong.

use jiff::Timestamp;

use super::*;
use crate::state::{self, State};

fn wall(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const SAVED: &str = "2026-10-01T12:00:00Z";

/// A cache that saw 20.0.0.1 first an hour and last ten minutes before it was saved.
fn saved() -> State {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    answer(&mut cache, only_v4(&["20.0.0.1"]), 50 * MINUTE);
    cache.persist(wall(SAVED), at(HOUR))
}

fn restored(now: &str) -> Cache {
    let mut cache = cache();
    let refused = cache.restore(&saved(), &tags, wall(now), at(7));
    assert!(refused.is_empty());
    cache
}

fn ages(cache: &Cache) -> (Duration, Duration) {
    let (_, address) = entry(cache).addresses().next().unwrap();
    (address.first_seen_age(at(7)), address.last_seen_age(at(7)))
}

#[test]
fn wall_clock_times_are_computed_back_from_the_time_of_saving() {
    let state = saved();
    let seen = &state.names[&contoso()][&ip("20.0.0.1")];
    assert_eq!(seen.first_seen, wall("2026-10-01T11:00:00Z"));
    assert_eq!(seen.last_seen, wall("2026-10-01T11:50:00Z"));
}

#[test]
fn ages_continue_across_a_restart() {
    let cache = restored("2026-10-01T13:00:00Z");
    assert_eq!(ages(&cache), (at(2 * HOUR), at(70 * MINUTE)));
}

#[test]
fn times_in_the_future_count_as_now() {
    assert_eq!(ages(&restored("1970-01-01T00:00:10Z")), (at(0), at(0)));
    let cache = restored("2026-10-01T11:20:00Z");
    assert_eq!(ages(&cache), (at(20 * MINUTE), at(0)));
}

#[test]
fn a_clock_that_jumps_between_restart_and_save_changes_no_age() {
    let cache = restored("1970-01-01T00:00:10Z");
    let state = cache.persist(wall("2026-10-01T13:00:00Z"), at(7 + 60));
    let seen = &state.names[&contoso()][&ip("20.0.0.1")];
    assert_eq!(seen.last_seen, wall("2026-10-01T12:59:00Z"));
}

#[test]
fn restored_addresses_are_last_good_however_old() {
    let mut cache = restored("2027-10-01T12:00:00Z");
    answer(&mut cache, failed(LookupFailure::Timeout), 10);
    assert_eq!(expire(&mut cache, 48 * HOUR), [""; 0]);
    answer(&mut cache, only_v4(&["20.0.0.2"]), 48 * HOUR);
    assert_eq!(expire(&mut cache, 48 * HOUR + 899), [""; 0]);
    assert_eq!(expire(&mut cache, 48 * HOUR + 900), ["20.0.0.1"]);
}

#[test]
fn names_that_left_are_neither_saved_nor_restored() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    cache.set_names([name("fabrikam.azurecr.io")], at(1));
    assert!(cache.persist(wall(SAVED), at(1)).names.is_empty());
    let mut other = Cache::new(CacheSettings::default());
    other.set_names([name("fabrikam.azurecr.io")], at(0));
    other.restore(&saved(), &tags, wall(SAVED), at(0));
    assert_eq!(addresses(&other), [""; 0]);
}

#[test]
fn restored_addresses_are_subject_to_the_check_and_the_cap() {
    let mut before = cache();
    let all = only_v4(&["20.0.0.1", "20.0.0.2", "52.0.0.1"]);
    before.answered_whole(&contoso(), all, &accept, at(0));
    let state = before.persist(wall(SAVED), at(0));
    let mut cache = cache_with(CacheSettings {
        addresses: 1,
        ..CacheSettings::default()
    });
    let refused = cache.restore(&state, &tags, wall(SAVED), at(0));
    assert_eq!(refused, [(contoso(), ip("52.0.0.1"))]);
    assert_eq!(addresses(&cache), ["20.0.0.1"]);
}

#[test]
fn restoring_does_not_change_addresses_of_an_earlier_answer() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 5);
    cache.restore(&saved(), &tags, wall(SAVED), at(7));
    assert_eq!(ages(&cache), (at(2), at(2)));
}

#[test]
fn addresses_survive_writing_and_reading_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    state::save(&path, &saved()).unwrap();
    let mut cache = cache();
    let state = state::load(&path).unwrap().unwrap();
    cache.restore(&state, &tags, wall(SAVED), at(0));
    assert_eq!(addresses(&cache), ["20.0.0.1"]);
}
