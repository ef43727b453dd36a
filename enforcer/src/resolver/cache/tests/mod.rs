//! Retention and schedule, in simulated time.

mod entering;
mod families;
mod lingering;
mod persist;
mod pinned;
mod properties;
mod rate_limit;
mod schedule;
mod snooped;

use super::*;
use crate::resolver::answer::{Answer, AnswerVerdict, Resolved};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn contoso() -> Name {
    name("contoso.azurecr.io")
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn found(addresses: &[&str], ttl: u64) -> Result<Resolved, LookupFailure> {
    Ok(Resolved {
        addresses: addresses.iter().map(|text| ip(text)).collect(),
        ttl: at(ttl),
        chain: vec![name("eus-3.fe.azcr.io")],
    })
}

fn none() -> Result<Resolved, LookupFailure> {
    Err(LookupFailure::NoAddress { ttl: Some(at(60)) })
}

/// An answer with these IPv4 addresses and no IPv6 address.
fn only_v4(addresses: &[&str]) -> Answer {
    Answer {
        v4: found(addresses, 10),
        v6: none(),
    }
}

fn failed(failure: LookupFailure) -> Answer {
    Answer {
        v4: Err(failure.clone()),
        v6: Err(failure),
    }
}

fn accept(_: &Name, _: IpAddr) -> AnswerVerdict {
    AnswerVerdict::Accept
}

/// Refuses 52.0.0.0/8, and finds 40.0.0.0/8 in no tag.
fn tags(_: &Name, address: IpAddr) -> AnswerVerdict {
    let text = address.to_string();
    if text.starts_with("52.") {
        AnswerVerdict::Refuse("lies in Storage".into())
    } else if text.starts_with("40.") {
        AnswerVerdict::AcceptUntagged
    } else {
        AnswerVerdict::Accept
    }
}

fn cache_with(settings: CacheSettings) -> Cache {
    let mut cache = Cache::new(settings);
    cache.set_names([contoso()], at(0));
    cache
}

fn cache() -> Cache {
    cache_with(CacheSettings::default())
}

fn answer(cache: &mut Cache, answer: Answer, seconds: u64) -> AnswerOutcome {
    cache.answered_whole(&contoso(), answer, &tags, at(seconds))
}

impl Cache {
    /// Queries both families and merges both answers, A first; returns all changes.
    pub(crate) fn answered_whole(
        &mut self,
        name: &Name,
        answer: Answer,
        check: AnswerCheck<'_>,
        now: Duration,
    ) -> AnswerOutcome {
        if let Some(entry) = self.entries.get_mut(name).filter(|e| !e.is_departed()) {
            entry.start(now);
        }
        let mut all = self.answered(name, (Family::V4, answer.v4), check, now);
        let more = self.answered(name, (Family::V6, answer.v6), check, now);
        all.added.extend(more.added);
        all.untagged.extend(more.untagged);
        all.refused.extend(more.refused);
        all.failing.extend(more.failing);
        all.recovered.extend(more.recovered);
        all
    }
}

fn entry(cache: &Cache) -> &NameEntry {
    cache.entries().find(|(n, _)| **n == contoso()).unwrap().1
}

fn addresses(cache: &Cache) -> Vec<String> {
    let all = cache.entries().flat_map(|(_, entry)| entry.addresses());
    all.map(|(address, _)| address.to_string()).collect()
}

/// The names that are due with an idle limiter.
fn due(cache: &mut Cache, now: Duration) -> Vec<Name> {
    let due = cache.due(now, &mut RateLimiter::default()).into_iter();
    due.map(|(name, _)| name).collect()
}

/// When the cache next has something to do with an idle limiter.
fn wake(cache: &Cache) -> Option<Duration> {
    cache.next_wake(&RateLimiter::default())
}

fn expire(cache: &mut Cache, seconds: u64) -> Vec<String> {
    let gone = cache.expire(at(seconds)).into_iter();
    gone.map(|(_, address)| address.to_string()).collect()
}
