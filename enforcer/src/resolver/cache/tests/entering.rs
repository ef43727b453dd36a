//! Which addresses are added, and which are removed with their name.

use super::*;

#[test]
fn an_address_of_the_wrong_family_is_not_added() {
    let mut cache = cache();
    let odd = Answer {
        v4: found(&["20.0.0.1", "2603:1030::1"], 10),
        v6: none(),
    };
    answer(&mut cache, odd, 0);
    assert_eq!(addresses(&cache), ["20.0.0.1"]);
}

#[test]
fn a_refused_address_is_not_added_and_the_last_good_stays() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    let outcome = answer(&mut cache, only_v4(&["52.0.0.1"]), 10);
    assert_eq!(
        outcome.refused,
        [(ip("52.0.0.1"), "lies in Storage".into())]
    );
    let failing = entry(&cache).family(Family::V4).failing.clone().unwrap();
    assert_eq!(failing.error, LookupFailure::AllRefused);
    assert!(entry(&cache).family(Family::V6).failing.is_some());
    assert_eq!(expire(&mut cache, 800), [""; 0]);
    let again = answer(&mut cache, only_v4(&["52.0.0.1"]), 800);
    assert!(again.refused.is_empty());
    let (address, refusal) = entry(&cache).refused().next().unwrap();
    assert_eq!((address, refusal.last_seen), (ip("52.0.0.1"), at(800)));
    assert_eq!(expire(&mut cache, 24 * HOUR), [""; 0]);
    assert_eq!(addresses(&cache), ["20.0.0.1"]);
    assert_eq!(entry(&cache).refused().count(), 0);
}

#[test]
fn accepted_addresses_beside_a_refused_one_are_used() {
    let mut cache = cache();
    let outcome = answer(&mut cache, only_v4(&["52.0.0.1", "20.0.0.1"]), 0);
    assert_eq!(outcome.added, [ip("20.0.0.1")]);
    assert_eq!(outcome.refused.len(), 1);
    assert_eq!(outcome.failing, []);
}

#[test]
fn an_untagged_address_is_added_and_reported_once() {
    let mut cache = cache();
    let outcome = answer(&mut cache, only_v4(&["40.0.0.1"]), 0);
    assert_eq!(outcome.untagged, [ip("40.0.0.1")]);
    let again = answer(&mut cache, only_v4(&["40.0.0.1"]), 10);
    assert!(again.untagged.is_empty());
    assert!(entry(&cache).addresses().next().unwrap().1.is_untagged());
}

#[test]
fn beyond_the_cap_a_new_address_replaces_the_one_omitted_for_the_longest() {
    let mut cache = cache_with(CacheSettings {
        addresses: 3,
        ..CacheSettings::default()
    });
    answer(&mut cache, only_v4(&["20.0.0.1", "20.0.0.2"]), 0);
    answer(&mut cache, only_v4(&["20.0.0.1", "20.0.0.3"]), 10);
    answer(&mut cache, only_v4(&["20.0.0.3"]), 20);
    let outcome = answer(&mut cache, only_v4(&["20.0.0.3", "20.0.0.4"]), 30);
    assert_eq!(outcome.added, [ip("20.0.0.4")]);
    assert_eq!(addresses(&cache), ["20.0.0.1", "20.0.0.3", "20.0.0.4"]);
}

#[test]
fn addresses_of_an_answer_beyond_the_cap_are_refused() {
    let mut cache = cache_with(CacheSettings {
        addresses: 2,
        ..CacheSettings::default()
    });
    let outcome = answer(
        &mut cache,
        only_v4(&["20.0.0.1", "20.0.0.2", "20.0.0.3"]),
        0,
    );
    assert_eq!(outcome.refused[0].0, ip("20.0.0.3"));
    assert!(outcome.refused[0].1.contains("2 addresses"));
    assert_eq!(addresses(&cache), ["20.0.0.1", "20.0.0.2"]);
}

#[test]
fn a_name_that_leaves_keeps_its_addresses_for_the_linger() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    cache.set_names([], at(100));
    cache.set_names([], at(500));
    assert!(entry(&cache).is_departed());
    assert_eq!(due(&mut cache, at(600)), []);
    assert_eq!(wake(&cache), Some(at(1000)));
    assert_eq!(expire(&mut cache, 999), [""; 0]);
    assert_eq!(expire(&mut cache, 1000), ["20.0.0.1"]);
    assert_eq!(cache.entries().count(), 0);
    assert_eq!(wake(&cache), None);
}

#[test]
fn a_name_that_returns_keeps_its_addresses_and_is_due_at_once() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    assert!(!cache.set_names([], at(1)));
    let late = answer(&mut cache, only_v4(&["20.0.0.9"]), 2);
    assert_eq!(late, AnswerOutcome::default());
    assert!(cache.set_names([contoso()], at(3)));
    assert!(!cache.set_names([contoso()], at(3)));
    assert_eq!(due(&mut cache, at(3)), [contoso()]);
    assert_eq!(expire(&mut cache, 24 * HOUR), [""; 0]);
    assert_eq!(addresses(&cache), ["20.0.0.1"]);
}

#[test]
fn an_answer_equal_to_the_last_one_changes_nothing() {
    let mut cache = cache();
    assert!(
        answer(
            &mut cache,
            only_v4(&["20.0.0.1", "40.0.0.1", "52.0.0.1"]),
            0
        )
        .has_changes()
    );
    assert!(!answer(&mut cache, only_v4(&["40.0.0.1", "52.0.0.1"]), 10).has_changes());
    assert!(answer(&mut cache, failed(LookupFailure::Timeout), 20).has_changes());
    assert!(!answer(&mut cache, failed(LookupFailure::Timeout), 30).has_changes());
    assert!(answer(&mut cache, only_v4(&["20.0.0.1"]), 40).has_changes());
}

#[test]
fn a_changed_check_removes_what_it_refuses() {
    let mut cache = cache();
    let both = only_v4(&["20.0.0.1", "52.0.0.1", "40.0.0.1"]);
    cache.answered_whole(&contoso(), both, &accept, at(0));
    assert_eq!(cache.recheck(&tags), [(contoso(), ip("52.0.0.1"))]);
    assert_eq!(addresses(&cache), ["20.0.0.1", "40.0.0.1"]);
    let untagged = entry(&cache).addresses().filter(|(_, e)| e.is_untagged());
    assert_eq!(untagged.count(), 1);
}
