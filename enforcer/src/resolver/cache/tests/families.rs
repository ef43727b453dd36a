//! Each family takes effect as its answer arrives.

use super::*;

fn ask(cache: &mut Cache, seconds: u64) -> Vec<Family> {
    let due = cache
        .due(at(seconds), &mut RateLimiter::default())
        .into_iter();
    due.flat_map(|(_, families)| families).collect()
}

fn tell(
    cache: &mut Cache,
    family: Family,
    answer: Result<Resolved, LookupFailure>,
    seconds: u64,
) -> AnswerOutcome {
    cache.answered(&contoso(), (family, answer), &tags, at(seconds))
}

#[test]
fn an_address_is_added_while_the_other_family_never_answers() {
    let mut cache = cache();
    assert_eq!(ask(&mut cache, 0), Family::BOTH);
    let outcome = tell(&mut cache, Family::V4, found(&["20.0.0.1"], 10), 0);
    assert_eq!(outcome.added, [ip("20.0.0.1")]);
    assert_eq!(outcome.failing, []);
}

#[test]
fn a_family_in_flight_is_not_queried_again_and_does_not_delay_the_other() {
    let mut cache = cache();
    ask(&mut cache, 0);
    tell(&mut cache, Family::V4, found(&["20.0.0.1"], 5), 0);
    for seconds in [6, 12, 18] {
        assert_eq!(ask(&mut cache, seconds), [Family::V4], "{seconds}");
        tell(&mut cache, Family::V4, found(&["20.0.0.1"], 5), seconds);
    }
    let outcome = tell(&mut cache, Family::V6, Err(LookupFailure::Timeout), 20);
    assert_eq!(
        outcome.failing,
        [(Family::V6, LookupFailure::Timeout)],
        "and fails by itself"
    );
    assert_eq!(ask(&mut cache, 22), Family::BOTH);
}

#[test]
fn a_family_that_fails_is_queried_again_while_the_other_is_in_flight() {
    let mut cache = cache();
    ask(&mut cache, 0);
    let failure = LookupFailure::ServerFailure("SERVFAIL".to_owned());
    tell(&mut cache, Family::V4, Err(failure), 0);
    assert_eq!(ask(&mut cache, 2), [Family::V4]);
}

#[test]
fn no_address_waits_for_the_other_family_in_either_order() {
    for (empty, full) in [(Family::V4, Family::V6), (Family::V6, Family::V4)] {
        let mut cache = cache();
        let address = match full {
            Family::V4 => "20.0.0.1",
            Family::V6 => "2603:1030::1",
        };
        ask(&mut cache, 0);
        let waiting = tell(&mut cache, empty, none(), 0);
        assert_eq!(waiting, AnswerOutcome::default());
        assert_eq!(ask(&mut cache, 10), [], "it is not asked again meanwhile");
        let outcome = tell(&mut cache, full, found(&[address], 10), 11);
        assert_eq!(
            (outcome.added, outcome.failing),
            (vec![ip(address)], vec![])
        );
        assert_eq!(entry(&cache).family(empty).last_success, Some(at(11)));
    }
}

#[test]
fn no_address_while_the_other_family_fails_is_a_failure_and_removes_nothing() {
    let mut cache = cache();
    ask(&mut cache, 0);
    tell(&mut cache, Family::V4, found(&["20.0.0.1"], 1), 0);
    tell(&mut cache, Family::V6, none(), 0);
    ask(&mut cache, 2);
    tell(&mut cache, Family::V4, none(), 2);
    let outcome = tell(&mut cache, Family::V6, Err(LookupFailure::Timeout), 10);
    let mut failing: Vec<_> = outcome.failing.into_iter().map(|it| it.0).collect();
    failing.sort_unstable();
    assert_eq!(failing, Family::BOTH);
    assert_eq!(expire(&mut cache, 24 * HOUR), [""; 0]);
}

#[test]
fn a_family_with_a_lost_answer_is_queried_again() {
    let mut cache = cache();
    ask(&mut cache, 0);
    tell(&mut cache, Family::V4, none(), 0);
    assert_eq!(ask(&mut cache, 30), Family::BOTH);
    tell(&mut cache, Family::V6, none(), 31);
    let outcome = tell(&mut cache, Family::V4, found(&["20.0.0.1"], 10), 31);
    assert_eq!(outcome.added, [ip("20.0.0.1")]);
}
