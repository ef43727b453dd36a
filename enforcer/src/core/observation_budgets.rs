//! How many addresses come in by answers that the daemon did not ask for, or asked for because somebody else did.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::name::Name;
use crate::resolver::cache::Cache;
use crate::resolver::cache::snoop_budget::{PER_CGROUP, SnoopBudget, TOTAL};

/// Addresses that the daemon's own lookups of patterns' names can bring in. Beyond it, the newest replaces the oldest.
const PATTERN_ANSWERS: usize = 1024;

/// A name or pattern, and an address that it leads to.
pub(super) type Pair = (String, IpAddr);

/// The budgets.
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
    /// Counts an address that an answer to `cgroup` held, and returns what it displaces. One that `cache` has without that answer takes no room.
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

    /// Frees what is not `there` any more, and what no answer to the cgroup held in the last `linger`.
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

    /// A cache with one name, to which the daemon's own answer gives this address.
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
    fn an_address_that_the_daemon_has_by_itself_takes_no_room() {
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
    fn an_address_ends_for_each_cgroup_when_it_was_not_told_of_it_for_long() {
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
