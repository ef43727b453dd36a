//! Discovery beside the names of the policy, with one limiter.

use super::*;
use crate::resolver::answer::AnswerVerdict;
use crate::resolver::cache::{Cache, CacheSettings};
use crate::resolver::rate_limiter::QUERIES_PER_SECOND;

/// Which name was queried when.
#[derive(Default)]
struct QueryLog {
    policy: Vec<Duration>,
    search: Vec<(Duration, Name)>,
}

/// Runs both until `end`; each answer takes 100 ms, and `reply` is that of discovery.
fn run(
    cache: &mut Cache,
    discovery: &mut Discovery,
    end: Duration,
    reply: impl Fn(&Name) -> Answer,
) -> QueryLog {
    let (mut limiter, mut asked) = (RateLimiter::default(), QueryLog::default());
    let mut answers: BTreeSet<(Duration, Name, bool)> = BTreeSet::new();
    loop {
        let answered = answers.first().map(|(at, ..)| *at);
        let wakes = [
            answered,
            cache.next_wake(&limiter),
            discovery.next_wake(&limiter),
        ];
        let now = wakes.into_iter().flatten().min().unwrap();
        if now > end {
            return asked;
        }
        let mut is_moving = answered.is_some_and(|at| at <= now);
        while let Some((_, name, is_search)) =
            answers.first().cloned().filter(|(at, ..)| *at <= now)
        {
            answers.pop_first();
            if is_search {
                tell(discovery, &name, &reply(&name), now);
            } else {
                let answer = answer(&[EAST_US]);
                cache.answered_whole(&name, answer, &|_, _| AnswerVerdict::Accept, now);
            }
        }
        let late = now + Duration::from_millis(100);
        for (name, _) in cache.due(now, &mut limiter) {
            is_moving = true;
            asked.policy.push(now);
            answers.insert((late, name, false));
        }
        for name in discovery.due(now, &mut limiter) {
            is_moving = true;
            asked.search.push((now, name.clone()));
            answers.insert((late, name, true));
        }
        assert!(is_moving, "woken for nothing at {now:?}");
    }
}

fn cache(names: usize) -> Cache {
    let mut cache = Cache::new(CacheSettings::default());
    let name = |n| format!("r{n}.azurecr.io").parse().unwrap();
    cache.set_names((0..names).map(name), at(0));
    cache
}

fn assert_no_burst(asked: &QueryLog) {
    let search = asked.search.iter().map(|(at, _)| *at);
    let mut all: Vec<Duration> = asked.policy.iter().copied().chain(search).collect();
    all.sort_unstable();
    for (index, first) in all.iter().enumerate() {
        let second = all[index..]
            .iter()
            .take_while(|at| **at < *first + super::at(1));
        assert!(second.count() * 2 <= QUERIES_PER_SECOND);
    }
}

#[test]
fn the_first_discovery_of_a_registry_takes_seconds() {
    let mut discovery = discovery();
    let count = discovery.probes.len();
    let asked = run(&mut cache(1), &mut discovery, at(15), |_| answer(&[]));
    assert!(asked.search.len() == count && count >= 62, "{count}");
    assert!(
        asked.search[count - 1].0 <= at(12),
        "{:?}",
        asked.search[count - 1]
    );
    assert_no_burst(&asked);
}

#[test]
fn each_name_is_queried_once_an_hour_at_different_times() {
    let mut discovery = discovery();
    let asked = run(
        &mut cache(0),
        &mut discovery,
        at(10 * 3600),
        |_| answer(&[]),
    );
    let count = discovery.probes.len();
    assert!((9 * count..=10 * count).contains(&asked.search.len()));
    let last = &asked.search[asked.search.len() - count..];
    assert!(last[count - 1].0 - last[0].0 > at(600));
    for name in discovery.probes.keys() {
        let of_name = asked.search.iter().filter(|(_, asked)| asked == name);
        let times: Vec<Duration> = of_name.map(|(at, _)| *at).collect();
        let in_time =
            |pair: &[Duration]| pair[1] - pair[0] >= HOUR && pair[1] - pair[0] <= HOUR * 12 / 10;
        assert!(times.windows(2).all(in_time), "{times:?}");
    }
    assert_no_burst(&asked);
}

/// More names than the limiter permits at their TTL of 10 s.
#[test]
fn neither_many_names_of_the_policy_nor_many_registries_starve_the_other() {
    let mut discovery = Discovery::new(7);
    let registries: Vec<Registry> = (0..10)
        .map(|n| registry(&format!("r{n}.azurecr.io")))
        .collect();
    set(&mut discovery, &registries, at(0));
    let count = discovery.probes.len();
    let mut cache = cache(120);
    let asked = run(&mut cache, &mut discovery, at(1200), |_| answer(&[]));
    let searched: BTreeSet<&Name> = asked.search.iter().map(|(_, name)| name).collect();
    assert_eq!(searched.len(), count);
    assert!(asked.policy.len() > 1200 * 8, "{}", asked.policy.len());
    assert_no_burst(&asked);
}
