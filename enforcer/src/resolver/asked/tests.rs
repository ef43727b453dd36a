use super::*;
use crate::resolver::answer::Answer;

const LINGER: Duration = Duration::from_secs(900);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn pattern() -> EndpointPattern {
    "contoso.*.data.azurecr.io".parse().unwrap()
}

fn replica(region: impl std::fmt::Display) -> Name {
    format!("contoso.{region}.data.azurecr.io").parse().unwrap()
}

fn wanting(regions: impl Iterator<Item = u64>) -> Asked {
    let mut asked = Asked::default();
    for region in regions {
        asked.want(&pattern(), &replica(format!("r{region}")), at(region));
    }
    asked
}

/// What is due, were nothing asked before.
fn due(asked: &mut Asked, now: Duration) -> Vec<Name> {
    let due = asked.due(now, &mut Pace::default()).into_iter();
    due.map(|(name, _)| name).collect()
}

/// Takes in both answers, A first, and returns the pattern and what they give together.
fn answered(
    asked: &mut Asked,
    name: &Name,
    answer: Answer,
    now: Duration,
) -> Option<(EndpointPattern, Vec<(IpAddr, Duration)>)> {
    let (pattern, mut found) = asked.answered(name, (Family::V4, answer.v4), now)?;
    let more = asked.answered(name, (Family::V6, answer.v6), now)?;
    found.extend(more.1);
    Some((pattern, found))
}

fn found(ttl: u64) -> Answer {
    Answer {
        v4: Ok(Resolved {
            addresses: vec!["20.42.66.0".parse().unwrap()],
            ttl: at(ttl),
            chain: Vec::new(),
        }),
        v6: Err(LookupFailure::NoAddress { ttl: None }),
    }
}

fn failed(failure: LookupFailure) -> Answer {
    Answer {
        v4: Err(failure.clone()),
        v6: Err(failure),
    }
}

#[test]
fn a_name_is_asked_at_once_and_again_when_its_answer_is_over() {
    let mut asked = wanting([0].into_iter());
    assert_eq!(due(&mut asked, at(0)), [replica("r0")]);
    assert!(due(&mut asked, at(0)).is_empty());
    let answered = answered(&mut asked, &replica("r0"), found(10), at(1));
    let address = ("20.42.66.0".parse().unwrap(), at(10));
    assert_eq!(answered, Some((pattern(), vec![address])));
    assert!(due(&mut asked, at(10)).is_empty());
    assert_eq!(due(&mut asked, at(11)), [replica("r0")]);
}

#[test]
fn whoever_asks_time_and_again_has_it_asked_once_in_a_second() {
    let mut asked = wanting([0].into_iter());
    due(&mut asked, at(0));
    answered(&mut asked, &replica("r0"), found(100), at(0));
    for _ in 0..100 {
        asked.want(&pattern(), &replica("r0"), at(0));
    }
    assert!(due(&mut asked, at(0)).is_empty());
    assert_eq!(due(&mut asked, at(1)), [replica("r0")]);
}

#[test]
fn only_names_that_the_pattern_stands_for_are_taken() {
    let mut asked = Asked::default();
    for name in [
        "contoso.a.b.data.azurecr.io",
        "contoso.data.azurecr.io",
        "evilcontoso.eastus.data.azurecr.io",
        "contoso.eastus.data.azurecr.io.evil.example",
        "fabrikam.eastus.data.azurecr.io",
        "contoso.eastus.evildata.azurecr.io",
    ] {
        asked.want(&pattern(), &name.parse().unwrap(), at(0));
    }
    assert!(asked.names.is_empty(), "{asked:?}");
}

#[test]
fn of_too_many_names_the_oldest_goes_unless_it_is_being_asked() {
    let most = MOST_NAMES as u64;
    let mut asked = wanting(0..most);
    let in_flight = due(&mut asked, at(most));
    assert_eq!(in_flight.len(), IN_FLIGHT);
    for more in most..most + 1000 {
        asked.want(
            &pattern(),
            &replica(format!("r{more}")),
            at(more.min(most + 20)),
        );
        assert_eq!(asked.names.len(), MOST_NAMES);
    }
    assert!(in_flight.iter().all(|name| asked.names.contains_key(name)));
    assert!(!asked.names.contains_key(&replica("r10")));
}

#[test]
fn names_of_the_policy_come_first() {
    let mut asked = wanting(0..10);
    let mut pace = Pace::default();
    for _ in 0..8 {
        pace.start(at(20));
    }
    assert!(asked.due(at(20), &mut pace).is_empty());
    let wake = asked.next_wake(&pace).unwrap();
    assert!(wake > at(20));
    assert_eq!(asked.due(wake, &mut pace).len(), IN_FLIGHT);
}

#[test]
fn a_name_that_does_not_exist_is_dropped_and_a_failure_is_tried_again() {
    let mut asked = wanting(0..2);
    due(&mut asked, at(2));
    answered(
        &mut asked,
        &replica("r0"),
        failed(LookupFailure::NxDomain),
        at(2),
    );
    answered(
        &mut asked,
        &replica("r1"),
        failed(LookupFailure::Timeout),
        at(2),
    );
    assert_eq!(due(&mut asked, at(100)), [replica("r1")]);
}

#[test]
fn a_name_goes_when_nobody_asks_for_it_or_its_pattern_left() {
    let mut asked = wanting(0..2);
    asked.want(&pattern(), &replica("r0"), at(100));
    asked.expire(LINGER, at(950));
    assert_eq!(asked.names.keys().collect::<Vec<_>>(), [&replica("r0")]);
    asked.retain(|_| false);
    assert!(asked.names.is_empty());
    assert_eq!(
        answered(&mut asked, &replica("r0"), found(1), at(951)),
        None
    );
    assert_eq!(asked.next_wake(&Pace::default()), None);
}

#[test]
fn one_family_that_never_answers_holds_up_nothing_of_the_other() {
    let mut asked = wanting([0].into_iter());
    let both = asked.due(at(0), &mut Pace::default());
    assert_eq!(both, [(replica("r0"), Family::BOTH.to_vec())]);
    let v4 = || (Family::V4, found(2).v4);
    let told = asked.answered(&replica("r0"), v4(), at(0));
    let address = ("20.42.66.0".parse().unwrap(), at(2));
    assert_eq!(told, Some((pattern(), vec![address])));
    let again = asked.due(at(2), &mut Pace::default());
    assert_eq!(again, [(replica("r0"), vec![Family::V4])]);
    asked.answered(&replica("r0"), v4(), at(2));
    let late = (Family::V6, Err(LookupFailure::Timeout));
    asked.answered(&replica("r0"), late, at(3));
    assert!(
        due(&mut asked, at(3)).is_empty(),
        "beside addresses it waits for their time"
    );
    let both = asked.due(at(4), &mut Pace::default());
    assert_eq!(both, [(replica("r0"), Family::BOTH.to_vec())]);
}

#[test]
fn a_name_is_dropped_only_once_both_families_say_that_there_is_no_address() {
    let mut asked = wanting([0].into_iter());
    due(&mut asked, at(0));
    let nothing = || Err(LookupFailure::NoAddress { ttl: None });
    asked.answered(&replica("r0"), (Family::V4, nothing()), at(0));
    assert!(asked.names.contains_key(&replica("r0")));
    asked.answered(&replica("r0"), (Family::V6, nothing()), at(0));
    assert!(asked.names.is_empty());
}
