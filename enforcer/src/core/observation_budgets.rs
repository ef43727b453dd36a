//! Limits on addresses from answers to other programs, or to queries that they triggered.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::name::Name;
use crate::resolver::cache::Cache;
use crate::resolver::cache::snoop_budget::{PER_CGROUP, SnoopBudget, TOTAL};

/// Maximum number of addresses from the daemon's own lookups of names of patterns. Beyond it, the newest replaces the oldest.
const PATTERN_ANSWERS: usize = 1024;

/// A name or pattern, and one of its addresses.
pub(super) type Pair = (String, IpAddr);

/// Budgets for observed addresses and for answers to pattern lookups.
#[derive(Debug)]
pub(crate) struct Budgets {
    pub(super) observed: SnoopBudget<Pair>,
    pub(super) pattern_answers: SnoopBudget<Pair>,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            observed: SnoopBudget::new(PER_CGROUP, TOTAL),
            pattern_answers: SnoopBudget::new(PATTERN_ANSWERS, PATTERN_ANSWERS),
        }
    }
}

impl Budgets {
    /// Charges an address from an answer to `cgroup`, and returns the pairs that it displaces. An address that `cache` has otherwise is free.
    pub(super) fn observe(
        &mut self,
        cgroup: u64,
        pair: Pair,
        cache: &Cache,
        now: Duration,
    ) -> Vec<Pair> {
        let name = pair.0.parse::<Name>();
        if name.is_ok_and(|name| cache.is_current(&name, pair.1)) {
            return Vec::new();
        }
        let mut displaced = self.observed.observe(cgroup, pair, now);
        displaced.retain(|pair| !self.pattern_answers.holds(pair));
        displaced
    }

    /// Releases pairs missing from `there`, and those that no answer to the cgroup contained within `linger`.
    pub(super) fn retain(&mut self, there: &BTreeSet<Pair>, linger: Duration, now: Duration) {
        self.observed
            .retain(|pair, observed| now < observed + linger && there.contains(pair));
        self.pattern_answers.retain(|pair, _| there.contains(pair));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::resolver::answer::{AnswerVerdict, Family, Resolved};
    use crate::resolver::cache::{CacheSettings, HostsPin};

    const LINGER: Duration = Duration::from_secs(900);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn name() -> Name {
        "contoso.azurecr.io".parse().unwrap()
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([20, 42, 66, last])
    }

    fn pair(last: u8) -> Pair {
        (name().to_string(), ip(last))
    }

    /// Gives the name this address in `cache`, by an answer to the daemon.
    fn answered(cache: &mut Cache, last: u8, now: Duration) {
        let resolved = Resolved {
            addresses: vec![ip(last)],
            ttl: at(10),
            chain: Vec::new(),
        };
        let accept = |_: &Name, _: IpAddr| AnswerVerdict::Accept;
        cache.set_names([name()], now);
        cache.answered(&name(), (Family::V4, Ok(resolved)), &accept, now);
    }

    #[test]
    fn an_address_from_the_daemons_own_answers_is_free() {
        let mut cache = Cache::new(CacheSettings::default());
        answered(&mut cache, 1, at(0));
        let pin = HostsPin {
            line: 1,
            untagged: false,
        };
        let pins = BTreeMap::from([(name(), BTreeMap::from([(ip(2), pin)]))]);
        cache.pin(&pins, at(0));
        let mut budgets = Budgets::default();
        for cgroup in 10..1200 {
            for last in [1, 2] {
                let gone = budgets.observe(cgroup, pair(last), &cache, at(0));
                assert!(gone.is_empty());
            }
        }
        for last in [1, 2] {
            assert!(!budgets.observed.holds(&pair(last)));
        }
        assert!(budgets.observe(5, pair(3), &cache, at(0)).is_empty());
        assert!(budgets.observed.holds(&pair(3)));
        answered(&mut cache, 4, at(10));
        budgets.observe(10, pair(1), &cache, at(10));
        assert!(budgets.observed.holds(&pair(1)), "it is left out now");
    }

    #[test]
    fn an_address_expires_per_cgroup_after_its_linger() {
        let cache = Cache::new(CacheSettings::default());
        let mut budgets = Budgets::default();
        let there = BTreeSet::from([pair(1), pair(2)]);
        budgets.observe(5, pair(1), &cache, at(0));
        budgets.observe(5, pair(2), &cache, at(0));
        budgets.observe(6, pair(2), &cache, at(100));
        budgets.retain(&there, LINGER, at(899));
        assert!(budgets.observed.holds(&pair(1)));
        budgets.retain(&there, LINGER, at(900));
        assert!(!budgets.observed.holds(&pair(1)) && budgets.observed.holds(&pair(2)));
        budgets.retain(&there, LINGER, at(1000));
        assert!(!budgets.observed.holds(&pair(2)));
    }
}
