//! Addresses that the kernel learned, and names that it has asked for.

use super::*;

fn sight(cache: &mut Cache, address: &str, ttl: u64, seconds: u64) -> Outcome {
    cache.sighted(&contoso(), ip(address), at(ttl), &tags, at(seconds))
}

fn is_learned(cache: &Cache) -> Vec<bool> {
    let addresses = entry(cache).addresses();
    addresses.map(|(_, entry)| entry.is_learned()).collect()
}

#[test]
fn what_only_others_were_told_lingers_from_its_last_sighting() {
    let mut cache = cache();
    assert_eq!(sight(&mut cache, "20.0.0.1", 10, 0).added, [ip("20.0.0.1")]);
    assert!(!sight(&mut cache, "20.0.0.1", 10, 100).is_news());
    assert_eq!(is_learned(&cache), [true]);
    assert_eq!(expire(&mut cache, 999), [""; 0]);
    assert_eq!(expire(&mut cache, 1000), ["20.0.0.1"]);
}

#[test]
fn what_others_were_told_stays_for_its_time_to_live() {
    let mut cache = cache();
    sight(&mut cache, "20.0.0.1", 2 * HOUR, 0);
    assert_eq!(expire(&mut cache, 2 * HOUR - 1), [""; 0]);
    assert_eq!(expire(&mut cache, 2 * HOUR), ["20.0.0.1"]);
}

#[test]
fn what_an_own_answer_holds_is_no_less_for_a_sighting() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    sight(&mut cache, "20.0.0.1", 10, 1);
    assert_eq!(is_learned(&cache), [false]);
    assert_eq!(expire(&mut cache, 10 * HOUR), [""; 0]);
}

#[test]
fn what_an_own_answer_comes_to_hold_is_learned_no_more() {
    let mut cache = cache();
    sight(&mut cache, "20.0.0.1", 10, 0);
    answer(&mut cache, only_v4(&["20.0.0.1"]), 1);
    assert_eq!(is_learned(&cache), [false]);
    assert_eq!(expire(&mut cache, 10 * HOUR), [""; 0]);
}

#[test]
fn a_sighting_is_checked_and_bounded_as_an_answer_is() {
    let mut cache = cache_with(Settings {
        addresses: 1,
        ..Settings::default()
    });
    let refused = sight(&mut cache, "52.0.0.1", 10, 0).refused;
    assert_eq!(refused, [(ip("52.0.0.1"), "lies in Storage".into())]);
    assert_eq!(
        sight(&mut cache, "40.0.0.1", 10, 0).untagged,
        [ip("40.0.0.1")]
    );
    assert_eq!(sight(&mut cache, "20.0.0.1", 10, 0).refused.len(), 1);
    assert_eq!(addresses(&cache), ["40.0.0.1"]);
}

#[test]
fn of_a_name_that_is_not_allowed_nothing_is_taken() {
    let mut cache = cache();
    let other = name("fabrikam.azurecr.io");
    let told = cache.sighted(&other, ip("20.0.0.1"), at(10), &tags, at(0));
    assert!(!told.is_news());
    cache.set_names([], at(1));
    assert!(!sight(&mut cache, "20.0.0.1", 10, 2).is_news());
    assert_eq!(addresses(&cache), [""; 0]);
}

#[test]
fn a_hastened_name_is_due_at_once_and_once_in_a_second() {
    let mut cache = cache();
    cache.hasten_name(&name("fabrikam.azurecr.io"), at(0));
    assert_eq!(due(&mut cache, at(0)), [contoso()]);
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    for _ in 0..100 {
        cache.hasten_name(&contoso(), at(0));
    }
    assert_eq!(due(&mut cache, at(0)), []);
    assert_eq!(due(&mut cache, at(1)), [contoso()]);
    cache.hasten_name(&contoso(), at(2));
    assert_eq!(due(&mut cache, at(2)), [], "it is being asked");
    answer(&mut cache, only_v4(&["20.0.0.1"]), 2);
    cache.hasten_name(&contoso(), at(5));
    assert_eq!(due(&mut cache, at(5)), [contoso()]);
}
