//! Snooped addresses, and requests to query a name now.

use super::*;

fn observe(cache: &mut Cache, address: &str, seconds: u64) -> AnswerOutcome {
    cache.observe(&contoso(), ip(address), &tags, at(seconds))
}

fn is_snooped(cache: &Cache) -> Vec<bool> {
    let addresses = entry(cache).addresses();
    addresses.map(|(_, entry)| entry.is_snooped()).collect()
}

#[test]
fn a_snooped_address_lingers_from_its_last_observation() {
    let mut cache = cache();
    assert_eq!(observe(&mut cache, "20.0.0.1", 0).added, [ip("20.0.0.1")]);
    assert!(!observe(&mut cache, "20.0.0.1", 100).has_changes());
    assert_eq!(is_snooped(&cache), [true]);
    assert_eq!(expire(&mut cache, 999), [""; 0]);
    assert_eq!(expire(&mut cache, 1000), ["20.0.0.1"]);
}

#[test]
fn a_snooped_address_expires_even_while_its_family_fails() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    observe(&mut cache, "20.0.0.2", 1);
    answer(&mut cache, failed(LookupFailure::Timeout), 2);
    assert_eq!(expire(&mut cache, 10 * HOUR), ["20.0.0.2"]);
}

#[test]
fn an_observation_does_not_shorten_the_linger_of_a_resolved_address() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    answer(&mut cache, only_v4(&["20.0.0.2"]), 10);
    observe(&mut cache, "20.0.0.1", 100);
    assert_eq!(is_snooped(&cache), [false, false]);
    cache.forget_observed(&contoso(), ip("20.0.0.1"));
    assert_eq!(expire(&mut cache, 909), [""; 0]);
    assert_eq!(expire(&mut cache, 910), ["20.0.0.1"]);
}

#[test]
fn snooped_addresses_take_no_room_from_resolved_ones() {
    let mut cache = cache_with(CacheSettings {
        addresses: 2,
        ..CacheSettings::default()
    });
    for last in 0..=255 {
        observe(&mut cache, &format!("20.0.1.{last}"), 0);
    }
    for second in 1..100 {
        let rotating = format!("20.0.0.{second}");
        let outcome = answer(&mut cache, only_v4(&[&rotating]), second);
        assert_eq!(
            (outcome.added, outcome.refused),
            (vec![ip(&rotating)], vec![])
        );
    }
    let own = is_snooped(&cache).into_iter().filter(|snooped| !snooped);
    assert_eq!(own.count(), 2);
}

#[test]
fn snooped_addresses_are_not_saved() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    observe(&mut cache, "20.0.0.2", 0);
    let state = cache.persist("2026-11-29T00:00:00Z".parse().unwrap(), at(1));
    let kept: Vec<_> = state.names[&contoso()].keys().copied().collect();
    assert_eq!(kept, [ip("20.0.0.1")]);
}

/// The kernel reads the daemon's own answer before the daemon does.
#[test]
fn an_answer_confirms_a_snooped_address_once() {
    let mut cache = cache();
    observe(&mut cache, "20.0.0.1", 0);
    let outcome = answer(&mut cache, only_v4(&["20.0.0.1"]), 1);
    assert_eq!(
        (outcome.added, outcome.confirmed),
        (vec![], vec![ip("20.0.0.1")])
    );
    let outcome = answer(&mut cache, only_v4(&["20.0.0.1"]), 2);
    assert_eq!((outcome.added, outcome.confirmed), (vec![], vec![]));
}

#[test]
fn an_observation_does_not_make_a_resolved_address_snooped() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    observe(&mut cache, "20.0.0.1", 1);
    assert_eq!(is_snooped(&cache), [false]);
    assert_eq!(expire(&mut cache, 10 * HOUR), [""; 0]);
}

#[test]
fn a_snooped_address_in_an_answer_to_the_daemon_becomes_resolved() {
    let mut cache = cache();
    observe(&mut cache, "20.0.0.1", 0);
    answer(&mut cache, only_v4(&["20.0.0.1"]), 1);
    assert_eq!(is_snooped(&cache), [false]);
    assert_eq!(expire(&mut cache, 10 * HOUR), [""; 0]);
}

#[test]
fn an_observation_is_subject_to_the_answer_check() {
    let mut cache = cache();
    let refused = observe(&mut cache, "52.0.0.1", 0).refused;
    assert_eq!(refused, [(ip("52.0.0.1"), "lies in Storage".into())]);
    assert_eq!(
        observe(&mut cache, "40.0.0.1", 0).untagged,
        [ip("40.0.0.1")]
    );
    assert_eq!(addresses(&cache), ["40.0.0.1"]);
}

#[test]
fn an_observation_of_a_name_that_is_not_allowed_is_ignored() {
    let mut cache = cache();
    let other = name("fabrikam.azurecr.io");
    let told = cache.observe(&other, ip("20.0.0.1"), &tags, at(0));
    assert!(!told.has_changes());
    cache.set_names([], at(1));
    assert!(!observe(&mut cache, "20.0.0.1", 2).has_changes());
    assert_eq!(addresses(&cache), [""; 0]);
}

#[test]
fn a_name_to_query_now_is_due_at_once_and_at_most_once_a_second() {
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
