//! How long an address stays.

use super::*;

#[test]
fn an_answer_is_added_with_its_chain_and_times() {
    let mut cache = cache();
    let outcome = answer(&mut cache, only_v4(&["20.0.0.1"]), 5);
    assert_eq!(outcome.added, [ip("20.0.0.1")]);
    answer(&mut cache, only_v4(&["20.0.0.1"]), 15);
    let entry = entry(&cache);
    assert_eq!(entry.chain(), [name("eus-3.fe.azcr.io")]);
    let (_, address) = entry.addresses().next().unwrap();
    assert_eq!(address.first_seen_age(at(20)), at(15));
    assert_eq!(address.last_seen_age(at(20)), at(5));
    assert_eq!(address.ttl(), at(10));
    assert_eq!(entry.family(Family::V4).last_success, Some(at(15)));
}

#[test]
fn an_address_lingers_from_the_first_answer_that_omits_it() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    answer(&mut cache, only_v4(&["20.0.0.2"]), 100);
    answer(&mut cache, only_v4(&["20.0.0.3"]), 200);
    assert_eq!(wake(&cache), Some(cache_due(&cache).min(at(1000))));
    assert_eq!(expire(&mut cache, 999), [""; 0]);
    assert_eq!(expire(&mut cache, 1000), ["20.0.0.1"]);
    assert_eq!(expire(&mut cache, 1100), ["20.0.0.2"]);
    assert_eq!(expire(&mut cache, 100 * HOUR), [""; 0]);
    assert_eq!(addresses(&cache), ["20.0.0.3"]);
}

fn cache_due(cache: &Cache) -> Duration {
    entry(cache).query.next()
}

#[test]
fn an_address_that_returns_starts_a_new_linger() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    answer(&mut cache, only_v4(&["20.0.0.2"]), 10);
    answer(&mut cache, only_v4(&["20.0.0.1"]), 800);
    answer(&mut cache, only_v4(&["20.0.0.2"]), 810);
    assert_eq!(expire(&mut cache, 1700), [""; 0]);
    assert_eq!(expire(&mut cache, 1710), ["20.0.0.1"]);
}

#[test]
fn an_address_stays_for_its_ttl_when_that_is_longer_than_the_linger() {
    let mut cache = cache();
    let long = Answer {
        v4: found(&["20.0.0.1"], 2 * HOUR),
        v6: none(),
    };
    answer(&mut cache, long, 0);
    answer(&mut cache, only_v4(&["20.0.0.2"]), 10);
    assert_eq!(expire(&mut cache, 2 * HOUR - 1), [""; 0]);
    assert_eq!(expire(&mut cache, 2 * HOUR), ["20.0.0.1"]);
}

#[test]
fn a_ttl_of_years_does_not_keep_an_address_for_years() {
    let mut cache = cache();
    let long = Answer {
        v4: found(&["20.0.0.1"], i32::MAX as u64),
        v6: none(),
    };
    answer(&mut cache, long, 0);
    answer(&mut cache, only_v4(&["20.0.0.2"]), 10);
    assert_eq!(expire(&mut cache, 24 * HOUR), ["20.0.0.1"]);
}

#[test]
fn failures_of_every_kind_remove_nothing() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1", "20.0.0.2"]), 0);
    answer(&mut cache, only_v4(&["20.0.0.1"]), 10);
    let failures = [
        LookupFailure::NxDomain,
        LookupFailure::NoAddress { ttl: None },
        LookupFailure::Timeout,
        LookupFailure::ServerFailure("SERVFAIL".to_owned()),
        LookupFailure::Io("network unreachable".to_owned()),
        LookupFailure::AllRefused,
    ];
    for (failure, seconds) in failures
        .into_iter()
        .cycle()
        .zip((20..50 * HOUR).step_by(1000))
    {
        answer(&mut cache, failed(failure), seconds);
        assert_eq!(expire(&mut cache, seconds + 999), [""; 0]);
    }
    assert_eq!(addresses(&cache), ["20.0.0.1", "20.0.0.2"]);
}

#[test]
fn an_outage_does_not_count_towards_the_linger() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    answer(&mut cache, only_v4(&["20.0.0.2"]), 100);
    answer(&mut cache, failed(LookupFailure::Timeout), 200);
    answer(&mut cache, only_v4(&["20.0.0.2"]), HOUR);
    // 100 s before the outage, so 800 s remain.
    assert_eq!(expire(&mut cache, HOUR + 799), [""; 0]);
    assert_eq!(expire(&mut cache, HOUR + 800), ["20.0.0.1"]);
}

#[test]
fn failure_and_recovery_are_reported_once() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    let first = answer(&mut cache, failed(LookupFailure::Timeout), 10);
    assert_eq!(first.failing.len(), 2);
    let second = answer(&mut cache, failed(LookupFailure::NxDomain), 20);
    assert_eq!(second.failing, []);
    let failing = entry(&cache).family(Family::V4).failing.clone().unwrap();
    assert_eq!(failing.since, at(10));
    assert_eq!(failing.error, LookupFailure::NxDomain);
    let third = answer(&mut cache, only_v4(&["20.0.0.1"]), 30);
    assert_eq!(third.recovered, [Family::V4, Family::V6]);
    assert_eq!(entry(&cache).family(Family::V4).failing, None);
}

#[test]
fn one_family_is_used_while_the_other_fails() {
    let mut cache = cache();
    let both = Answer {
        v4: found(&["20.0.0.1"], 10),
        v6: found(&["2603:1030::1"], 10),
    };
    answer(&mut cache, both, 0);
    for seconds in (10..2 * HOUR).step_by(10) {
        let half = Answer {
            v4: found(&["20.0.0.2"], 10),
            v6: Err(LookupFailure::Timeout),
        };
        answer(&mut cache, half, seconds);
        cache.expire(at(seconds));
    }
    assert_eq!(addresses(&cache), ["20.0.0.2", "2603:1030::1"]);
}

#[test]
fn no_address_of_a_family_beside_addresses_of_the_other_is_a_success() {
    let mut cache = cache();
    let both = Answer {
        v4: found(&["20.0.0.1"], 10),
        v6: found(&["2603:1030::1"], 10),
    };
    answer(&mut cache, both, 0);
    answer(&mut cache, only_v4(&["20.0.0.1"]), 10);
    assert_eq!(entry(&cache).family(Family::V6).failing, None);
    assert_eq!(expire(&mut cache, 910), ["2603:1030::1"]);
}
