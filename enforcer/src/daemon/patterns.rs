//! The addresses of names that only a pattern stands for: the kernel learned them from answers to others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::sources::Sources;
use crate::config::{EndpointPattern, Sni};

/// The most addresses of one pattern: some for each region that there is.
const MOST_ADDRESSES: usize = 1024;

/// The patterns with the addresses that were learned for them, and when each was last.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    seen: BTreeMap<EndpointPattern, BTreeMap<IpAddr, Duration>>,
}

impl Patterns {
    /// Takes an address in, and says whether it is new. Beyond 1,024 no more are taken.
    pub(super) fn see(
        &mut self,
        pattern: &EndpointPattern,
        address: IpAddr,
        now: Duration,
    ) -> bool {
        let addresses = self.seen.entry(pattern.clone()).or_default();
        if addresses.len() >= MOST_ADDRESSES && !addresses.contains_key(&address) {
            return false;
        }
        addresses.insert(address, now).is_none()
    }

    /// Drops what was last seen longer than `linger` ago.
    pub(super) fn expire(&mut self, linger: Duration, now: Duration) {
        for addresses in self.seen.values_mut() {
            addresses.retain(|_, seen| now < *seen + linger);
        }
        self.seen.retain(|_, addresses| !addresses.is_empty());
    }

    /// When something is dropped next.
    pub(super) fn next_end(&self, linger: Duration) -> Option<Duration> {
        let seen = self.seen.values().flat_map(BTreeMap::values);
        seen.min().map(|seen| *seen + linger)
    }

    /// The addresses of a pattern.
    pub(super) fn addresses(&self, pattern: &EndpointPattern) -> impl Iterator<Item = IpAddr> {
        self.seen
            .get(pattern)
            .into_iter()
            .flat_map(|seen| seen.keys().copied())
    }

    /// The addresses of all patterns.
    pub(super) fn all_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.seen.values().flat_map(|seen| seen.keys().copied())
    }

    /// The patterns of `sources`, and those that left them and whose addresses linger: with whether handshakes need not name it, and
    /// whether it left.
    pub(super) fn of<'a>(
        &'a self,
        sources: &'a Sources,
    ) -> impl Iterator<Item = (&'a EndpointPattern, bool, bool)> {
        let current = patterns(sources);
        let departed = self
            .seen
            .keys()
            .filter(|pattern| patterns(sources).all(|(current, _)| current != *pattern));
        let current = current.map(|(pattern, sni)| (pattern, sni == Sni::Off, false));
        current.chain(departed.map(|pattern| (pattern, false, true)))
    }
}

fn patterns(sources: &Sources) -> impl Iterator<Item = (&EndpointPattern, Sni)> {
    let registries = sources.config.registries.iter();
    registries.flat_map(|registry| {
        registry
            .patterns
            .iter()
            .map(|pattern| (pattern, registry.sni))
    })
}

impl Sources {
    /// The pattern that is written so.
    pub(super) fn pattern(&self, text: &str) -> Option<&EndpointPattern> {
        let (pattern, _) = patterns(self).find(|(pattern, _)| pattern.as_str() == text)?;
        Some(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_secs(900);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_address_of_a_pattern_lingers_from_its_last_sighting() {
        let pattern: EndpointPattern = "contoso.*.data.azurecr.io".parse().unwrap();
        let address = "20.42.66.0".parse().unwrap();
        let mut patterns = Patterns::default();
        assert!(patterns.see(&pattern, address, at(0)));
        assert!(!patterns.see(&pattern, address, at(100)));
        patterns.expire(LINGER, at(999));
        assert_eq!(patterns.addresses(&pattern).count(), 1);
        assert_eq!(patterns.next_end(LINGER), Some(at(1000)));
        patterns.expire(LINGER, at(1000));
        assert_eq!(patterns.all_addresses().count(), 0);
    }

    #[test]
    fn a_pattern_that_left_is_told_as_such_while_its_addresses_linger() {
        let text = "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\ndata-endpoints = [\"contoso.*.data.azurecr.io\"]\n";
        let (with, without) = (Sources::of_text(text), Sources::of_text("registry = []"));
        let pattern = with.pattern("contoso.*.data.azurecr.io").unwrap();
        let mut patterns = Patterns::default();
        patterns.see(pattern, "20.42.66.0".parse().unwrap(), at(0));
        let told = |sources| {
            patterns
                .of(sources)
                .map(|(_, _, departed)| departed)
                .collect::<Vec<_>>()
        };
        assert_eq!(told(&with), [false]);
        assert_eq!(told(&without), [true]);
    }
}
