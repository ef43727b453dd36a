use super::*;
use crate::resolver::answer::{Answer, AnswerVerdict};
use crate::resolver::cache::Cache;

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

/// The cgroup of requests where it does not matter.
const CGROUP: u64 = 7;

fn requested(regions: impl Iterator<Item = u64>) -> PatternNames {
    let mut names = PatternNames::default();
    for region in regions {
        let name = replica(format!("r{region}"));
        names.request(&pattern(), &name, CGROUP, at(region));
    }
    names
}

/// The names that are due with an idle limiter.
fn due(names: &mut PatternNames, now: Duration) -> Vec<Name> {
    let due = names.due(now, &mut RateLimiter::default()).into_iter();
    due.map(|(name, _)| name).collect()
}

/// Processes both answers, A first, and returns the pattern and all addresses.
fn answered(
    names: &mut PatternNames,
    name: &Name,
    answer: Answer,
    now: Duration,
) -> Option<(EndpointPattern, Vec<(IpAddr, Duration)>)> {
    let (pattern, mut found) = names.answered(name, (Family::V4, answer.v4), now)?;
    let more = names.answered(name, (Family::V6, answer.v6), now)?;
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
fn a_name_is_queried_at_once_and_again_when_its_ttl_is_over() {
    let mut names = requested([0].into_iter());
    assert_eq!(due(&mut names, at(0)), [replica("r0")]);
    assert!(due(&mut names, at(0)).is_empty());
    let answered = answered(&mut names, &replica("r0"), found(10), at(1));
    let address = ("20.42.66.0".parse().unwrap(), at(10));
    assert_eq!(answered, Some((pattern(), vec![address])));
    assert!(due(&mut names, at(10)).is_empty());
    assert_eq!(due(&mut names, at(11)), [replica("r0")]);
}

#[test]
fn repeated_requests_query_a_name_once_a_second() {
    let mut names = requested([0].into_iter());
    due(&mut names, at(0));
    answered(&mut names, &replica("r0"), found(100), at(0));
    for _ in 0..100 {
        names.request(&pattern(), &replica("r0"), CGROUP, at(0));
    }
    assert!(due(&mut names, at(0)).is_empty());
    assert_eq!(due(&mut names, at(1)), [replica("r0")]);
}

#[test]
fn only_names_that_match_the_pattern_are_accepted() {
    let mut names = PatternNames::default();
    for name in [
        "contoso.a.b.data.azurecr.io",
        "contoso.data.azurecr.io",
        "evilcontoso.eastus.data.azurecr.io",
        "contoso.eastus.data.azurecr.io.evil.example",
        "fabrikam.eastus.data.azurecr.io",
        "contoso.eastus.evildata.azurecr.io",
    ] {
        names.request(&pattern(), &name.parse().unwrap(), CGROUP, at(0));
    }
    assert!(names.names.is_empty(), "{names:?}");
}

#[test]
fn beyond_the_limit_the_oldest_name_is_dropped_unless_it_is_in_flight() {
    let most = MOST_NAMES as u64;
    let mut names = requested(0..most);
    let in_flight = due(&mut names, at(most));
    assert_eq!(in_flight.len(), IN_FLIGHT);
    for more in most..most + 1000 {
        names.request(
            &pattern(),
            &replica(format!("r{more}")),
            CGROUP,
            at(more.min(most + 20)),
        );
        assert_eq!(names.names.len(), MOST_NAMES);
    }
    assert!(in_flight.iter().all(|name| names.names.contains_key(name)));
    assert!(!names.names.contains_key(&replica("r10")));
}

#[test]
fn names_of_the_policy_come_first() {
    let mut names = requested(0..10);
    names.last_turn = at(20);
    let mut limiter = RateLimiter::default();
    for _ in 0..8 {
        limiter.start(at(20));
    }
    assert!(names.due(at(20), &mut limiter).is_empty());
    let wake = names.next_wake(&limiter).unwrap();
    assert!(wake > at(20));
    assert_eq!(names.due(wake, &mut limiter).len(), IN_FLIGHT);
}

#[test]
fn a_name_that_does_not_exist_is_dropped_and_a_failure_is_retried() {
    let mut names = requested(0..2);
    due(&mut names, at(2));
    answered(
        &mut names,
        &replica("r0"),
        failed(LookupFailure::NxDomain),
        at(2),
    );
    answered(
        &mut names,
        &replica("r1"),
        failed(LookupFailure::Timeout),
        at(2),
    );
    assert_eq!(due(&mut names, at(100)), [replica("r1")]);
}

#[test]
fn a_name_is_dropped_when_no_process_queries_it_or_its_pattern_left() {
    let mut names = requested(0..2);
    names.request(&pattern(), &replica("r0"), CGROUP, at(100));
    names.expire(LINGER, at(950));
    assert_eq!(names.names.keys().collect::<Vec<_>>(), [&replica("r0")]);
    names.retain(|_| false);
    assert!(names.names.is_empty());
    assert_eq!(
        answered(&mut names, &replica("r0"), found(1), at(951)),
        None
    );
    assert_eq!(names.next_wake(&RateLimiter::default()), None);
}

#[test]
fn one_family_that_never_answers_does_not_delay_the_other() {
    let mut names = requested([0].into_iter());
    let both = names.due(at(0), &mut RateLimiter::default());
    assert_eq!(both, [(replica("r0"), Family::BOTH.to_vec())]);
    let v4 = || (Family::V4, found(2).v4);
    let told = names.answered(&replica("r0"), v4(), at(0));
    let address = ("20.42.66.0".parse().unwrap(), at(2));
    assert_eq!(told, Some((pattern(), vec![address])));
    let again = names.due(at(2), &mut RateLimiter::default());
    assert_eq!(again, [(replica("r0"), vec![Family::V4])]);
    names.answered(&replica("r0"), v4(), at(2));
    let late = (Family::V6, Err(LookupFailure::Timeout));
    names.answered(&replica("r0"), late, at(3));
    assert!(
        due(&mut names, at(3)).is_empty(),
        "beside addresses it waits for their time"
    );
    let both = names.due(at(4), &mut RateLimiter::default());
    assert_eq!(both, [(replica("r0"), Family::BOTH.to_vec())]);
}

#[test]
fn a_name_is_dropped_only_once_both_families_have_no_address() {
    let mut names = requested([0].into_iter());
    due(&mut names, at(0));
    let nothing = || Err(LookupFailure::NoAddress { ttl: None });
    names.answered(&replica("r0"), (Family::V4, nothing()), at(0));
    assert!(names.names.contains_key(&replica("r0")));
    names.answered(&replica("r0"), (Family::V6, nothing()), at(0));
    assert!(names.names.is_empty());
}

/// Returns how often `westus3` is looked up in a minute in which the cgroup [`CGROUP`] requests it once a second and others request `flood`
/// names in each millisecond, each from the cgroup that it returns. No name exists.
fn lookups_beside(flood: impl Fn(u64) -> Vec<(u64, Name)>) -> usize {
    let (mut names, mut limiter, mut count) = (PatternNames::default(), RateLimiter::default(), 0);
    for ms in 0..60_000 {
        let now = Duration::from_millis(ms);
        for (client, name) in flood(ms) {
            names.request(&pattern(), &name, client, now);
        }
        if ms % 1000 == 500 {
            names.request(&pattern(), &replica("westus3"), CGROUP, now);
        }
        for (name, families) in names.due(now, &mut limiter) {
            count += usize::from(name == replica("westus3"));
            for family in families {
                let nothing = Err(LookupFailure::NxDomain);
                names.answered(&name, (family, nothing), now);
            }
        }
    }
    count
}

#[test]
fn a_flood_of_names_does_not_starve_another_cgroup() {
    let random = |ms: u64, client: u64| (client, replica(format!("x{client}-{ms}")));
    let count = lookups_beside(|ms| vec![random(ms, 1), random(ms, 2)]);
    assert!(count >= 50, "looked up {count} times");
    // A cgroup that requests the same name first and floods then gives it up only for itself.
    let same = |ms: u64| (ms % 1000 == 499).then(|| (1, replica("westus3")));
    let count = lookups_beside(|ms| {
        [random(ms, 1), random(ms, 2)]
            .into_iter()
            .chain(same(ms))
            .collect()
    });
    assert!(count >= 50, "looked up {count} times");
}

#[test]
fn cgroups_take_turns() {
    let mut names = requested(0..19);
    names.request(&pattern(), &replica("z"), CGROUP + 1, at(19));
    let first = due(&mut names, at(20));
    assert_eq!(first, ["r0", "z", "r1", "r2"].map(replica));
}

/// Looks up `count` names of the policy each second for a minute, and one of a pattern, which gets no answer; returns the number of
/// lookups of the policy, and when that one was looked up, in milliseconds.
fn looked_up_beside(count: u64) -> (usize, Vec<u64>) {
    let mut cache = Cache::new(CacheSettings::default());
    let names = (0..count).map(|n| format!("r{n}.azurecr.io").parse().unwrap());
    cache.set_names(names, at(0));
    let (mut names, mut limiter) = (PatternNames::default(), RateLimiter::default());
    let (mut policy, mut ours) = (0, Vec::new());
    let accept = |_: &Name, _: IpAddr| AnswerVerdict::Accept;
    for ms in 0..60_000 {
        let now = Duration::from_millis(ms);
        if ms % 1000 == 0 {
            cache.requery_now(now);
            names.request(&pattern(), &replica("westus3"), CGROUP, now);
        }
        // The order of `Engine::due`.
        for (name, _) in cache.due(now, &mut limiter) {
            policy += 1;
            let Answer { v4, v6 } = found(300);
            cache.answered(&name, (Family::V4, v4), &accept, now);
            cache.answered(&name, (Family::V6, v6), &accept, now);
        }
        for (name, _) in names.due(now, &mut limiter) {
            ours.push(ms);
            answered(&mut names, &name, failed(LookupFailure::Timeout), now);
        }
    }
    (policy, ours)
}

#[test]
fn names_of_the_policy_that_are_looked_up_each_second_leave_room_for_others() {
    for count in [8, 12, 20] {
        let (policy, ours) = looked_up_beside(count);
        assert!(ours.first().is_some_and(|first| *first < 3000), "{ours:?}");
        assert!(ours.len() >= 20, "{count} names: {ours:?}");
        assert!(policy >= 400, "{count} names: {policy} lookups");
    }
}
