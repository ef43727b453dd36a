//! The schedule of queries, in simulated time.

use super::super::*;
use super::{due, wake};
use crate::resolver::answer::{Answer, AnswerVerdict, Resolved};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn names(count: usize) -> Vec<Name> {
    (0..count)
        .map(|n| format!("registry{n}.azurecr.io").parse().unwrap())
        .collect()
}

fn good(ttl: u64) -> Answer {
    let resolved = Resolved {
        addresses: vec!["20.0.0.1".parse().unwrap()],
        ttl: at(ttl),
        chain: Vec::new(),
    };
    Answer {
        v4: Ok(resolved),
        v6: Err(LookupFailure::NoAddress { ttl: None }),
    }
}

fn bad() -> Answer {
    Answer {
        v4: Err(LookupFailure::Timeout),
        v6: Err(LookupFailure::Timeout),
    }
}

/// Answers every query at once until `end`; returns when each was sent.
fn run(
    cache: &mut Cache,
    end: Duration,
    answer: impl Fn(Duration) -> Answer,
) -> Vec<(Name, Duration)> {
    let (mut asked, mut limiter) = (Vec::new(), RateLimiter::default());
    while let Some(now) = cache.next_wake(&limiter).filter(|wake| *wake <= end) {
        cache.expire(now);
        let due = cache.due(now, &mut limiter);
        assert!(!due.is_empty(), "woken for nothing at {now:?}");
        for (name, _) in due {
            cache.answered_whole(&name, answer(now), &|_, _| AnswerVerdict::Accept, now);
            asked.push((name, now));
        }
    }
    asked
}

fn gaps(asked: &[(Name, Duration)], name: &Name) -> Vec<Duration> {
    let times: Vec<_> = asked
        .iter()
        .filter(|(n, _)| n == name)
        .map(|(_, t)| *t)
        .collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn a_name_is_queried_again_at_its_ttl_plus_jitter() {
    for (ttl, shortest, longest) in [(0, 1, 2), (10, 10, 11), (100, 100, 110), (86_400, 270, 300)] {
        let mut cache = Cache::new(CacheSettings::default());
        cache.set_names(names(1), at(0));
        let asked = run(&mut cache, at(6 * 3600), |_| good(ttl));
        for gap in gaps(&asked, &names(1)[0]) {
            assert!(
                (at(shortest)..=at(longest)).contains(&gap),
                "{ttl}: {gap:?}"
            );
        }
    }
}

#[test]
fn retries_back_off_until_a_success() {
    let mut cache = Cache::new(CacheSettings::default());
    cache.set_names(names(1), at(0));
    let outage = at(100)..at(1000);
    let asked = run(&mut cache, at(2000), |now| {
        if outage.contains(&now) {
            bad()
        } else {
            good(10)
        }
    });
    let during: Vec<_> = asked
        .into_iter()
        .filter(|(_, t)| outage.contains(t))
        .collect();
    let gaps = gaps(&during, &names(1)[0]);
    for (gap, shortest) in gaps.iter().zip([1, 2, 4, 8, 16, 32, 54, 54]) {
        assert!(
            (at(shortest)..=at(shortest) * 11 / 10).contains(gap),
            "{gaps:?}"
        );
    }
    assert!(gaps.iter().all(|gap| *gap <= at(60)), "{gaps:?}");
    assert_eq!(
        cache.entries().next().unwrap().1.family(Family::V4).failing,
        None
    );
}

#[test]
fn a_family_that_fails_does_not_delay_the_other() {
    let mut cache = Cache::new(CacheSettings::default());
    cache.set_names(names(1), at(0));
    let asked = run(&mut cache, at(3600), |_| Answer {
        v6: Err(LookupFailure::ServerFailure("SERVFAIL".to_owned())),
        ..good(10)
    });
    let gaps = gaps(&asked, &names(1)[0]);
    assert!(gaps.iter().all(|gap| *gap <= at(11)), "{gaps:?}");
}

#[test]
fn jitter_spreads_names_over_time() {
    let mut cache = Cache::new(CacheSettings::default());
    cache.set_names(names(16), at(0));
    let asked = run(&mut cache, at(3600), |_| good(60));
    let mut last: BTreeMap<&Name, Duration> = BTreeMap::new();
    last.extend(asked.iter().map(|(name, time)| (name, *time)));
    let times: BTreeSet<_> = last.values().collect();
    assert!(times.len() > 12, "{times:?}");
}

#[test]
fn names_in_flight_are_limited_and_all_get_their_turn() {
    let mut cache = Cache::new(CacheSettings {
        in_flight: 8,
        ..CacheSettings::default()
    });
    cache.set_names(names(40), at(0));
    let first = due(&mut cache, at(0));
    assert_eq!(first.len(), 8);
    assert_eq!(due(&mut cache, at(1)), []);
    assert_eq!(wake(&cache), Some(at(30)));
    for name in &first[..3] {
        cache.answered_whole(name, good(10), &|_, _| AnswerVerdict::Accept, at(1));
    }
    assert_eq!(wake(&cache), Some(at(0)));
    let second = due(&mut cache, at(1));
    assert_eq!(second.len(), 3);
    assert!(second.iter().all(|name| !first.contains(name)));
}

#[test]
fn a_lost_query_is_sent_again() {
    let mut cache = Cache::new(CacheSettings::default());
    cache.set_names(names(1), at(0));
    assert_eq!(due(&mut cache, at(0)), names(1));
    assert_eq!(due(&mut cache, at(29)), []);
    assert_eq!(wake(&cache), Some(at(30)));
    assert_eq!(due(&mut cache, at(30)), names(1));
}

#[test]
fn a_name_that_left_while_in_flight_takes_no_room() {
    let mut cache = Cache::new(CacheSettings {
        in_flight: 1,
        ..CacheSettings::default()
    });
    cache.set_names(names(1), at(0));
    due(&mut cache, at(0));
    cache.set_names(names(2).split_off(1), at(1));
    assert_eq!(wake(&cache), Some(at(1)));
    assert_eq!(due(&mut cache, at(1)), names(2)[1..]);
}

#[test]
fn requery_now_makes_every_name_due_that_is_not_in_flight() {
    let mut cache = Cache::new(CacheSettings::default());
    cache.set_names(names(2), at(0));
    let [first, second] = due(&mut cache, at(0)).try_into().unwrap();
    cache.answered_whole(&first, good(100), &|_, _| AnswerVerdict::Accept, at(0));
    cache.requery_now(at(2));
    assert_eq!(
        due(&mut cache, at(2)),
        std::slice::from_ref(&first),
        "{second} waits for its answer"
    );
    cache.answered_whole(&first, good(100), &|_, _| AnswerVerdict::Accept, at(2));
    assert!(due(&mut cache, at(3)).is_empty());
}

#[test]
fn a_new_linger_applies_to_addresses_that_linger_already() {
    let mut cache = Cache::new(CacheSettings::default());
    cache.set_names(names(1), at(0));
    let [name] = due(&mut cache, at(0)).try_into().unwrap();
    cache.answered_whole(&name, good(10), &|_, _| AnswerVerdict::Accept, at(0));
    cache.set_names([], at(1));
    assert!(cache.expire(at(60)).is_empty());
    cache.set_linger(at(30));
    assert_eq!(cache.expire(at(60)).len(), 1);
}
