//! Addresses of names that match a pattern, snooped by the kernel from answers to other programs.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::config::{EndpointPattern, Sni};
use crate::resolver::pattern_names::PatternNames;
use crate::sources::Sources;

/// Maximum TTL; an answer to the daemon keeps an address no longer.
const MOST_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Patterns with their snooped addresses.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    seen: BTreeMap<EndpointPattern, BTreeMap<IpAddr, Sighting>>,
    /// Names of these patterns that the daemon queries itself.
    pub(crate) asked: PatternNames,
}

/// When an address was last seen, and when its TTL expires.
#[derive(Clone, Copy, Debug)]
struct Sighting {
    last: Duration,
    lives_until: Duration,
}

impl Sighting {
    fn end(self, linger: Duration) -> Duration {
        self.lives_until.max(self.last + linger)
    }
}

impl Patterns {
    /// Adds an address, and returns whether it is new. The caller limits their number ([`super::observation_budgets`]).
    pub(crate) fn see(
        &mut self,
        pattern: &EndpointPattern,
        address: IpAddr,
        ttl: Duration,
        now: Duration,
    ) -> bool {
        let addresses = self.seen.entry(pattern.clone()).or_default();
        let lives_until = now + ttl.min(MOST_TTL);
        if let Some(known) = addresses.get_mut(&address) {
            known.last = now;
            known.lives_until = known.lives_until.max(lives_until);
            return false;
        }
        let last = now;
        addresses.insert(address, Sighting { last, lives_until });
        true
    }

    /// Drops an address.
    pub(crate) fn forget(&mut self, pattern: &EndpointPattern, address: IpAddr) {
        if let Some(addresses) = self.seen.get_mut(pattern) {
            addresses.remove(&address);
        }
        self.retain(|_, _, _| true);
    }

    /// Returns all addresses, each with its pattern as written.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (String, IpAddr)> {
        self.seen.iter().flat_map(|(pattern, addresses)| {
            let text = pattern.to_string();
            addresses
                .keys()
                .map(move |address| (text.clone(), *address))
        })
    }

    /// Drops addresses last seen more than `linger` ago whose TTL has expired, and names not queried since.
    pub(crate) fn expire(&mut self, linger: Duration, now: Duration) {
        self.retain(|_, _, seen| now < seen.end(linger));
        self.asked.expire(linger, now);
    }

    /// Drops addresses that `sources` refuse, and stops querying names of removed patterns.
    pub(crate) fn follow(&mut self, sources: &Sources) {
        self.retain(|pattern, address, _| {
            let checked = sources.check_answer(pattern.example(), address);
            !checked.is_refusal()
        });
        let keeps = |pattern: &EndpointPattern| sources.pattern(pattern.as_str()).is_some();
        self.asked.retain(keeps);
    }

    fn retain(&mut self, keeps: impl Fn(&EndpointPattern, IpAddr, &Sighting) -> bool) {
        for (pattern, addresses) in &mut self.seen {
            addresses.retain(|address, seen| keeps(pattern, *address, seen));
        }
        self.seen.retain(|_, addresses| !addresses.is_empty());
    }

    /// Returns when the next address expires.
    pub(crate) fn next_end(&self, linger: Duration) -> Option<Duration> {
        let seen = self.seen.values().flat_map(BTreeMap::values);
        seen.map(|seen| seen.end(linger)).min()
    }

    /// Returns the addresses of a pattern.
    pub(crate) fn addresses(&self, pattern: &EndpointPattern) -> impl Iterator<Item = IpAddr> {
        self.seen
            .get(pattern)
            .into_iter()
            .flat_map(|seen| seen.keys().copied())
    }

    /// Returns the addresses of all patterns.
    pub(crate) fn all_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.seen.values().flat_map(|seen| seen.keys().copied())
    }

    /// Returns the patterns of `sources` and removed ones whose addresses linger: each with whether the server name is unchecked, and
    /// whether it was removed.
    pub(crate) fn of<'a>(
        &'a self,
        sources: &'a Sources,
    ) -> impl Iterator<Item = (&'a EndpointPattern, bool, bool)> {
        let current = sources.patterns();
        let departed = self
            .seen
            .keys()
            .filter(|pattern| sources.patterns().all(|(current, _)| current != *pattern));
        let current = current.map(|(pattern, sni)| (pattern, sni == Sni::Off, false));
        current.chain(departed.map(|pattern| (pattern, false, true)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_secs(900);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn pattern() -> EndpointPattern {
        "contoso.*.data.azurecr.io".parse().unwrap()
    }

    fn ip(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn an_address_of_a_pattern_lingers_since_it_was_last_seen() {
        let mut patterns = Patterns::default();
        assert!(patterns.see(&pattern(), ip("20.42.66.0"), at(10), at(0)));
        assert!(!patterns.see(&pattern(), ip("20.42.66.0"), at(10), at(100)));
        patterns.expire(LINGER, at(999));
        assert_eq!(patterns.addresses(&pattern()).count(), 1);
        assert_eq!(patterns.next_end(LINGER), Some(at(1000)));
        patterns.expire(LINGER, at(1000));
        assert_eq!(patterns.all_addresses().count(), 0);
    }

    #[test]
    fn an_address_of_a_pattern_stays_for_its_ttl_of_at_most_a_day() {
        let mut patterns = Patterns::default();
        patterns.see(&pattern(), ip("20.42.66.0"), at(3600), at(0));
        patterns.see(&pattern(), ip("20.42.66.0"), at(0), at(100));
        patterns.see(&pattern(), ip("20.42.66.1"), Duration::MAX, at(0));
        assert_eq!(patterns.next_end(LINGER), Some(at(3600)));
        patterns.expire(LINGER, at(3600));
        let left: Vec<_> = patterns.all_addresses().collect();
        assert_eq!(left, [ip("20.42.66.1")]);
        assert_eq!(patterns.next_end(LINGER), Some(at(86_400)));
    }

    #[test]
    fn an_address_that_new_sources_refuse_is_dropped() {
        let mut patterns = Patterns::default();
        for address in ["20.42.66.0", "192.0.2.1"] {
            patterns.see(&pattern(), ip(address), at(0), at(0));
        }
        let protected = "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\n[protect]\ncidrs = [\"192.0.2.0/24\"]\n";
        patterns.follow(&Sources::of_text(protected));
        let left: Vec<_> = patterns.all_addresses().collect();
        assert_eq!(left, [ip("20.42.66.0")]);
    }

    #[test]
    fn a_removed_pattern_is_marked_departed_while_its_addresses_linger() {
        let text = "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\ndata-endpoints = [\"contoso.*.data.azurecr.io\"]\n";
        let (with, without) = (Sources::of_text(text), Sources::of_text("registry = []"));
        let pattern = with.pattern("contoso.*.data.azurecr.io").unwrap();
        let mut patterns = Patterns::default();
        patterns.see(pattern, ip("20.42.66.0"), at(10), at(0));
        let departed_flags = |sources| {
            patterns
                .of(sources)
                .map(|(_, _, departed)| departed)
                .collect::<Vec<_>>()
        };
        assert_eq!(departed_flags(&with), [false]);
        assert_eq!(departed_flags(&without), [true]);
    }
}
