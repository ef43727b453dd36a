//! The cache obeys the rate limiter, in simulated time.

use proptest::prelude::*;

use super::super::*;
use crate::resolver::answer::{Answer, AnswerVerdict, Resolved};
use crate::resolver::rate_limiter::QUERIES_PER_SECOND;

const SECOND: Duration = Duration::from_secs(1);
/// One lookup sends two queries.
const LOOKUPS_PER_SECOND: usize = QUERIES_PER_SECOND / 2;

fn names(count: usize) -> Vec<Name> {
    let name = |n| format!("registry{n}.azurecr.io").parse().unwrap();
    (0..count).map(name).collect()
}

fn answer(ttl: u64, fails: bool) -> Answer {
    let resolved = Resolved {
        addresses: vec!["20.0.0.1".parse().unwrap()],
        ttl: Duration::from_secs(ttl),
        chain: Vec::new(),
    };
    Answer {
        v4: if fails {
            Err(LookupFailure::Timeout)
        } else {
            Ok(resolved)
        },
        v6: Err(LookupFailure::NoAddress { ttl: None }),
    }
}

/// Runs the cache until `end`, with a request to query all names at `requery`. Each answer takes `delay`. Returns which name was queried when.
fn run(
    cache: &mut Cache,
    end: Duration,
    requery: &[Duration],
    delay: Duration,
    reply: impl Fn(Duration) -> Answer,
) -> Vec<(Name, Duration)> {
    let (mut limiter, mut asked) = (RateLimiter::default(), Vec::new());
    let mut answers: BTreeSet<(Duration, Name)> = BTreeSet::new();
    let mut requery = requery.iter().peekable();
    loop {
        let answered = answers.first().map(|(at, _)| *at);
        let next = [
            answered,
            cache.next_wake(&limiter),
            requery.peek().map(|at| **at),
        ];
        let now = next.into_iter().flatten().min().unwrap();
        if now > end {
            return asked;
        }
        let mut is_moving = requery.next_if(|at| **at <= now).is_some();
        if is_moving {
            cache.requery_now(now);
        }
        while let Some((_, name)) = answers.first().cloned().filter(|(at, _)| *at <= now) {
            answers.pop_first();
            cache.answered_whole(&name, reply(now), &|_, _| AnswerVerdict::Accept, now);
            is_moving = true;
        }
        for (name, _) in cache.due(now, &mut limiter) {
            answers.insert((now + delay, name.clone()));
            asked.push((name, now));
            is_moving = true;
        }
        assert!(is_moving, "woken for nothing at {now:?}");
    }
}

fn most_in_a_second(asked: &[(Name, Duration)]) -> usize {
    let in_second_from = |index: usize| {
        let start = asked[index].1;
        let asked = asked[index..].iter();
        asked.take_while(|(_, at)| *at < start + SECOND).count()
    };
    (0..asked.len()).map(in_second_from).max().unwrap_or(0)
}

fn longest_gap(asked: &[(Name, Duration)], name: &Name, end: Duration) -> Duration {
    let of_name = asked.iter().filter(|(asked, _)| asked == name);
    let mut times: Vec<Duration> = of_name.map(|(_, at)| *at).collect();
    times.push(end);
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or(end)
}

/// Ten registries with six replicas each: the answers' TTL is 10 s.
#[test]
fn seventy_names_are_refreshed_within_the_limit() {
    let mut cache = Cache::new(CacheSettings::default());
    cache.set_names(names(70), Duration::ZERO);
    let end = Duration::from_secs(600);
    let delay = Duration::from_millis(40);
    let asked = run(&mut cache, end, &[], delay, |_| answer(10, false));
    assert!(most_in_a_second(&asked) <= LOOKUPS_PER_SECOND);
    for name in names(70) {
        let gap = longest_gap(&asked, &name, end);
        assert!(gap <= Duration::from_secs(12), "{name}: {gap:?}");
    }
}

#[test]
fn requery_now_obeys_the_limit() {
    let mut cache = Cache::new(CacheSettings::default());
    cache.set_names(names(60), Duration::ZERO);
    let (end, sign) = (Duration::from_secs(120), Duration::from_secs(100));
    let delay = Duration::from_millis(40);
    let asked = run(&mut cache, end, &[sign], delay, |_| answer(300, false));
    let after: Vec<_> = asked.into_iter().filter(|(_, at)| *at >= sign).collect();
    assert_eq!(after.len(), 60);
    assert_eq!(most_in_a_second(&after), LOOKUPS_PER_SECOND);
    assert!(after.iter().all(|(_, at)| *at <= sign + 7 * SECOND));
}

#[test]
fn repeated_requests_to_query_now_starve_no_name() {
    let mut cache = Cache::new(CacheSettings::default());
    cache.set_names(names(60), Duration::ZERO);
    let end = Duration::from_secs(120);
    let signs: Vec<Duration> = (0..120).map(Duration::from_secs).collect();
    let delay = Duration::from_millis(40);
    let asked = run(&mut cache, end, &signs, delay, |_| answer(300, false));
    assert!(most_in_a_second(&asked) <= LOOKUPS_PER_SECOND);
    for name in names(60) {
        let gap = longest_gap(&asked, &name, end);
        assert!(gap <= Duration::from_secs(9), "{name}: {gap:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_second_has_a_burst_and_no_name_starves(
        count in 1..90_usize,
        ttl in 0..30_u64,
        delay in 0..2500_u64,
        outage in 0..100_u64,
        mut signs in prop::collection::vec(0..120_u64, 0..40),
    ) {
        signs.sort_unstable();
        let signs: Vec<_> = signs.into_iter().map(Duration::from_secs).collect();
        let mut cache = Cache::new(CacheSettings::default());
        cache.set_names(names(count), Duration::ZERO);
        let end = Duration::from_secs(150);
        let fails = |now: Duration| (outage..outage + 20).contains(&now.as_secs());
        let asked = run(&mut cache, end, &signs, Duration::from_millis(delay), |now| {
            answer(ttl, fails(now))
        });
        prop_assert!(most_in_a_second(&asked) <= LOOKUPS_PER_SECOND);
        let first: BTreeMap<&Name, Duration> =
            asked.iter().rev().map(|(name, at)| (name, *at)).collect();
        prop_assert_eq!(first.len(), count);
        for name in names(count) {
            // At most its own wait of 33 s, then one turn of all others: 16 at a time, 2.5 s each.
            let gap = longest_gap(&asked, &name, end);
            prop_assert!(gap <= Duration::from_secs(50), "{name}: {gap:?}");
        }
    }
}
