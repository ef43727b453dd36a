//! Properties of any sequence of answers, failures and waits.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::super::*;
use crate::resolver::answer::{Answer, AnswerVerdict, Resolved};

/// The result of one family: addresses as a bit set of the last byte, or a failure.
type Half = Result<u8, u8>;
/// Seconds to wait, then the answer.
type Step = (u64, Half, Half);

const LINGER: Duration = Duration::from_secs(900);
/// The bit of the address that the check refuses.
const FORGED: u8 = 7;

fn half() -> impl Strategy<Value = Half> {
    prop_oneof![3 => (1..=u8::MAX).prop_map(Ok), 1 => (0..4_u8).prop_map(Err)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..1200_u64, half(), half()), 1..60)
}

fn failures() -> impl Strategy<Value = Vec<Step>> {
    let failed = || (0..4_u8).prop_map(Err);
    prop::collection::vec((0..100_000_u64, failed(), failed()), 1..40)
}

fn address(family: Family, bit: u8) -> IpAddr {
    match family {
        Family::V4 => [20, 0, 0, bit].into(),
        Family::V6 => [0x2603, 0x1030, 0, 0, 0, 0, 0, u16::from(bit)].into(),
    }
}

fn set(family: Family, bits: u8) -> BTreeSet<IpAddr> {
    let chosen = (0..8).filter(|bit| bits >> bit & 1 == 1);
    chosen.map(|bit| address(family, bit)).collect()
}

fn is_forged(address: IpAddr) -> bool {
    [Family::V4, Family::V6]
        .map(|family| self::address(family, FORGED))
        .contains(&address)
}

fn check(_: &Name, address: IpAddr) -> AnswerVerdict {
    if is_forged(address) {
        AnswerVerdict::Refuse("forged".into())
    } else {
        AnswerVerdict::Accept
    }
}

fn to_answer(family: Family, half: Half) -> Result<Resolved, LookupFailure> {
    match half {
        Ok(bits) => Ok(Resolved {
            addresses: set(family, bits).into_iter().collect(),
            ttl: Duration::from_secs(10),
            chain: Vec::new(),
        }),
        Err(0) => Err(LookupFailure::NxDomain),
        Err(1) => Err(LookupFailure::NoAddress { ttl: None }),
        Err(2) => Err(LookupFailure::Timeout),
        Err(_) => Err(LookupFailure::ServerFailure("SERVFAIL".to_owned())),
    }
}

fn name() -> Name {
    "contoso.azurecr.io".parse().unwrap()
}

fn held(cache: &Cache) -> BTreeSet<IpAddr> {
    let all = cache.entries().flat_map(|(_, entry)| entry.addresses());
    all.map(|(address, _)| address).collect()
}

/// A cache that runs step by step, with the addresses of its last successful answers and the time when each was last seen.
struct Driven {
    cache: Cache,
    now: Duration,
    last_good: BTreeMap<Family, BTreeSet<IpAddr>>,
    seen: BTreeMap<IpAddr, Duration>,
}

impl Driven {
    fn new(settings: CacheSettings) -> Self {
        let mut cache = Cache::new(settings);
        cache.set_names([name()], Duration::ZERO);
        Self {
            cache,
            now: Duration::ZERO,
            last_good: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Waits, removes expired addresses, and merges the answer. Returns the removed addresses.
    fn step(&mut self, (wait, v4, v6): Step) -> Vec<IpAddr> {
        self.now += Duration::from_secs(wait);
        let removed = self.cache.expire(self.now);
        let answer = Answer {
            v4: to_answer(Family::V4, v4),
            v6: to_answer(Family::V6, v6),
        };
        self.cache.answered_whole(&name(), answer, &check, self.now);
        for (family, half) in [(Family::V4, v4), (Family::V6, v6)] {
            let mut good = set(family, half.unwrap_or(0));
            good.retain(|address| !is_forged(*address));
            if !good.is_empty() {
                self.seen
                    .extend(good.iter().map(|address| (*address, self.now)));
                self.last_good.insert(family, good);
            }
        }
        removed.into_iter().map(|(_, address)| address).collect()
    }
}

proptest! {
    #[test]
    fn an_address_of_the_last_successful_answer_is_never_missing(steps in steps()) {
        let mut driven = Driven::new(CacheSettings::default());
        for step in steps {
            let no_address = |other: Half| other.is_ok_and(|bits| bits & !(1 << FORGED) != 0);
            driven.step(step);
            // "No address" beside addresses of the other family is a success without addresses.
            if step.1 == Err(1) && no_address(step.2) { driven.last_good.remove(&Family::V4); }
            if step.2 == Err(1) && no_address(step.1) { driven.last_good.remove(&Family::V6); }
            let held = held(&driven.cache);
            for good in driven.last_good.values() {
                prop_assert!(held.is_superset(good), "{held:?} lacks some of {good:?}");
            }
        }
    }

    #[test]
    fn a_removed_address_had_not_been_seen_for_linger(steps in steps()) {
        let mut driven = Driven::new(CacheSettings::default());
        for step in steps {
            let seen = driven.seen.clone();
            for address in driven.step(step) {
                prop_assert!(driven.now >= seen[&address] + LINGER);
            }
        }
    }

    #[test]
    fn an_address_omitted_for_linger_is_removed(steps in steps()) {
        let mut driven = Driven::new(CacheSettings::default());
        for step in steps {
            driven.step(step);
        }
        for _ in 0..3 {
            driven.step((LINGER.as_secs(), Ok(1), Ok(1)));
        }
        let left = [Family::V4, Family::V6].map(|family| address(family, 0));
        prop_assert_eq!(held(&driven.cache), BTreeSet::from(left));
    }

    #[test]
    fn no_sequence_of_failures_removes_anything(steps in steps(), failures in failures()) {
        let mut driven = Driven::new(CacheSettings::default());
        for step in steps {
            driven.step(step);
        }
        driven.step((0, Err(2), Err(2)));
        let before = held(&driven.cache);
        for step in failures {
            driven.step(step);
        }
        prop_assert_eq!(held(&driven.cache), before);
    }

    #[test]
    fn neither_a_refused_address_nor_one_beyond_the_cap_is_added(steps in steps(), cap in 1..6_usize) {
        let mut driven = Driven::new(CacheSettings { addresses: cap, ..CacheSettings::default() });
        for step in steps {
            driven.step(step);
            let held = held(&driven.cache);
            prop_assert!(held.len() <= cap);
            prop_assert!(!held.into_iter().any(is_forged));
        }
    }

    #[test]
    fn the_schedule_always_advances(steps in steps()) {
        let mut driven = Driven::new(CacheSettings::default());
        for step in steps {
            driven.step(step);
            let wake = driven.cache.next_wake(&RateLimiter::default()).unwrap();
            let gone = driven.cache.expire(wake);
            let due = driven.cache.due(wake, &mut RateLimiter::default());
            prop_assert!(!gone.is_empty() || !due.is_empty());
        }
    }

    #[test]
    fn a_restart_loses_nothing_however_the_wall_clock_jumps(
        steps in steps(),
        jump in -2_000_000_000..2_000_000_000_i64,
    ) {
        let mut driven = Driven::new(CacheSettings::default());
        for step in steps {
            driven.step(step);
        }
        let saved_at = Timestamp::from_second(1_800_000_000).unwrap();
        let state = driven.cache.persist(saved_at, driven.now);
        let mut next = Cache::new(CacheSettings::default());
        next.set_names([name()], Duration::ZERO);
        let start = saved_at + SignedDuration::from_secs(jump);
        prop_assert_eq!(next.restore(&state, &check, start, Duration::ZERO), []);
        prop_assert_eq!(held(&next), held(&driven.cache));
        prop_assert!(next.expire(Duration::from_secs(1_000_000)).is_empty());
    }
}
