//! Addresses that the kernel learned, and names that it has asked for.

use super::*;

fn sight(cache: &mut Cache, address: &str, seconds: u64) -> AnswerOutcome {
    cache.observe(&contoso(), ip(address), &tags, at(seconds))
}

fn is_snooped(cache: &Cache) -> Vec<bool> {
    let addresses = entry(cache).addresses();
    addresses.map(|(_, entry)| entry.is_snooped()).collect()
}

#[test]
fn what_only_others_were_told_lingers_from_its_last_sighting() {
    let mut cache = cache();
    assert_eq!(sight(&mut cache, "20.0.0.1", 0).added, [ip("20.0.0.1")]);
    assert!(!sight(&mut cache, "20.0.0.1", 100).is_news());
    assert_eq!(is_snooped(&cache), [true]);
    assert_eq!(expire(&mut cache, 999), [""; 0]);
    assert_eq!(expire(&mut cache, 1000), ["20.0.0.1"]);
}

#[test]
fn what_only_others_were_told_ends_also_while_its_family_fails() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    sight(&mut cache, "20.0.0.2", 1);
    answer(&mut cache, failed(LookupFailure::Timeout), 2);
    assert_eq!(expire(&mut cache, 10 * HOUR), ["20.0.0.2"]);
}

#[test]
fn what_an_own_answer_held_keeps_its_own_end_whatever_others_are_told() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    answer(&mut cache, only_v4(&["20.0.0.2"]), 10);
    sight(&mut cache, "20.0.0.1", 100);
    assert_eq!(is_snooped(&cache), [false, false]);
    cache.forget_observed(&contoso(), ip("20.0.0.1"));
    assert_eq!(expire(&mut cache, 909), [""; 0]);
    assert_eq!(expire(&mut cache, 910), ["20.0.0.1"]);
}

#[test]
fn no_number_of_addresses_that_others_were_told_keeps_an_own_answer_out() {
    let mut cache = cache_with(CacheSettings {
        addresses: 2,
        ..CacheSettings::default()
    });
    for last in 0..=255 {
        sight(&mut cache, &format!("20.0.1.{last}"), 0);
    }
    for second in 1..100 {
        let rotating = format!("20.0.0.{second}");
        let outcome = answer(&mut cache, only_v4(&[&rotating]), second);
        assert_eq!(
            (outcome.added, outcome.refused),
            (vec![ip(&rotating)], vec![])
        );
    }
    let own = is_snooped(&cache).into_iter().filter(|learned| !learned);
    assert_eq!(own.count(), 2);
}

#[test]
fn what_others_were_told_is_not_kept_for_the_next_start() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    sight(&mut cache, "20.0.0.2", 0);
    let state = cache.persist("2026-11-29T00:00:00Z".parse().unwrap(), at(1));
    let kept: Vec<_> = state.names[&contoso()].keys().copied().collect();
    assert_eq!(kept, [ip("20.0.0.1")]);
}

#[test]
fn what_an_own_answer_holds_is_no_less_for_a_sighting() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    sight(&mut cache, "20.0.0.1", 1);
    assert_eq!(is_snooped(&cache), [false]);
    assert_eq!(expire(&mut cache, 10 * HOUR), [""; 0]);
}

#[test]
fn what_an_own_answer_comes_to_hold_is_learned_no_more() {
    let mut cache = cache();
    sight(&mut cache, "20.0.0.1", 0);
    answer(&mut cache, only_v4(&["20.0.0.1"]), 1);
    assert_eq!(is_snooped(&cache), [false]);
    assert_eq!(expire(&mut cache, 10 * HOUR), [""; 0]);
}

#[test]
fn a_sighting_is_checked_as_an_answer_is() {
    let mut cache = cache();
    let refused = sight(&mut cache, "52.0.0.1", 0).refused;
    assert_eq!(refused, [(ip("52.0.0.1"), "lies in Storage".into())]);
    assert_eq!(sight(&mut cache, "40.0.0.1", 0).untagged, [ip("40.0.0.1")]);
    assert_eq!(addresses(&cache), ["40.0.0.1"]);
}

#[test]
fn of_a_name_that_is_not_allowed_nothing_is_taken() {
    let mut cache = cache();
    let other = name("fabrikam.azurecr.io");
    let told = cache.observe(&other, ip("20.0.0.1"), &tags, at(0));
    assert!(!told.is_news());
    cache.set_names([], at(1));
    assert!(!sight(&mut cache, "20.0.0.1", 2).is_news());
    assert_eq!(addresses(&cache), [""; 0]);
}

#[test]
fn a_hastened_name_is_due_at_once_and_once_in_a_second() {
    let mut cache = cache();
    cache.requery_name_now(&name("fabrikam.azurecr.io"), at(0));
    assert_eq!(due(&mut cache, at(0)), [contoso()]);
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    for _ in 0..100 {
        cache.requery_name_now(&contoso(), at(0));
    }
    assert_eq!(due(&mut cache, at(0)), []);
    assert_eq!(due(&mut cache, at(1)), [contoso()]);
    cache.requery_name_now(&contoso(), at(2));
    assert_eq!(due(&mut cache, at(2)), [], "it is being asked");
    answer(&mut cache, only_v4(&["20.0.0.1"]), 2);
    cache.requery_name_now(&contoso(), at(5));
    assert_eq!(due(&mut cache, at(5)), [contoso()]);
}
