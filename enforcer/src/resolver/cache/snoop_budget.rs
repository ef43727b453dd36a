//! The budget for snooped addresses, those from DNS answers to other processes. Pure.
//!
//! A process that may query a resolver, with an accomplice who forges the answers, can add any number of addresses. So each cgroup has a
//! budget, in which the newest address replaces the oldest: a flood displaces only addresses of its own cgroup. As cgroups are free to
//! create, many of them together displace no address of one that has at most its share of the total.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The most addresses of one cgroup, counted per name.
pub const PER_CGROUP: usize = 256;
/// The most addresses of all cgroups together, counted per name and cgroup. Beyond it, the cgroup with the most addresses gives up its
/// oldest, if it has more than a share; otherwise the cgroup that adds one does.
pub const TOTAL: usize = 1024;
/// Shares of the total: a cgroup with at most one share gives up nothing for others.
const SHARES: usize = 64;

/// The keys of each cgroup with the time of their last observation, oldest first.
#[derive(Debug)]
pub struct SnoopBudget<K> {
    by_cgroup: BTreeMap<u64, VecDeque<(K, Duration)>>,
    per_cgroup: usize,
    total: usize,
}

impl<K: Clone + PartialEq> SnoopBudget<K> {
    /// An empty budget with these limits.
    pub fn new(per_cgroup: usize, total: usize) -> Self {
        Self {
            by_cgroup: BTreeMap::new(),
            per_cgroup,
            total,
        }
    }

    /// Counts `key` as the newest of `cgroup`, and returns the displaced keys that no other cgroup holds: `key` itself, where there is no room.
    pub fn observe(&mut self, cgroup: u64, key: K, now: Duration) -> Vec<K> {
        let held = self.by_cgroup.entry(cgroup).or_default();
        held.retain(|(known, _)| *known != key);
        held.push_back((key, now));
        let mut displaced = Vec::new();
        if held.len() > self.per_cgroup {
            displaced.extend(held.pop_front());
        }
        if self.by_cgroup.values().map(VecDeque::len).sum::<usize>() > self.total {
            let payer = self.above_its_share().unwrap_or(cgroup);
            let held = self.by_cgroup.get_mut(&payer);
            displaced.extend(held.and_then(VecDeque::pop_front));
            self.by_cgroup.retain(|_, held| !held.is_empty());
        }
        let displaced = displaced.into_iter().map(|(key, _)| key);
        displaced.filter(|key| !self.holds(key)).collect()
    }

    /// The cgroup with the most keys, if it has more than its share.
    fn above_its_share(&self) -> Option<u64> {
        let largest = self.by_cgroup.iter().max_by_key(|(_, held)| held.len())?;
        (largest.1.len() > self.total / SHARES).then_some(*largest.0)
    }

    /// Keeps the keys for which `keeps` is true; it gets the key and the time of its last observation.
    pub fn retain(&mut self, keeps: impl Fn(&K, Duration) -> bool) {
        for held in self.by_cgroup.values_mut() {
            held.retain(|(key, observed)| keeps(key, *observed));
        }
        self.by_cgroup.retain(|_, held| !held.is_empty());
    }

    /// Whether any cgroup holds `key`.
    pub fn holds(&self, key: &K) -> bool {
        let mut all = self.by_cgroup.values().flatten();
        all.any(|(held, _)| held == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observes numbers, and returns those displaced.
    fn observe(
        budget: &mut SnoopBudget<u32>,
        cgroup: u64,
        keys: impl Iterator<Item = u32>,
    ) -> Vec<u32> {
        keys.flat_map(|key| budget.observe(cgroup, key, Duration::ZERO))
            .collect()
    }

    #[test]
    fn a_flood_displaces_only_addresses_of_its_cgroup_oldest_first() {
        let mut budget = SnoopBudget::new(PER_CGROUP, TOTAL);
        assert!(observe(&mut budget, 1, 0..10).is_empty());
        let gone = observe(&mut budget, 2, 100..11_300);
        assert_eq!(gone, (100..11_300 - 256).collect::<Vec<_>>());
        assert!((0..10).all(|key| budget.holds(&key)));
    }

    #[test]
    fn an_address_of_two_cgroups_stays_until_both_have_given_it_up() {
        let mut budget = SnoopBudget::new(2, 100);
        observe(&mut budget, 1, 7..8);
        observe(&mut budget, 2, 7..8);
        assert_eq!(observe(&mut budget, 2, 100..104), [100, 101]);
        assert_eq!(observe(&mut budget, 1, 200..202), [7]);
    }

    #[test]
    fn an_address_that_is_observed_again_becomes_the_newest() {
        let mut budget = SnoopBudget::new(2, 100);
        assert_eq!(observe(&mut budget, 1, [1, 2, 1, 3].into_iter()), [2]);
    }

    #[test]
    fn the_cgroup_with_the_most_addresses_gives_up_its_oldest_first() {
        let mut budget = SnoopBudget::new(4, 6);
        observe(&mut budget, 1, 10..11);
        observe(&mut budget, 2, 20..24);
        assert_eq!(observe(&mut budget, 3, 30..33), [20, 30]);
        assert!(budget.holds(&10));
        budget.retain(|key, _| *key >= 30);
        assert!(!budget.holds(&10) && budget.holds(&31));
    }

    #[test]
    fn many_cgroups_displace_no_address_of_one_within_its_share() {
        for flood in [7..8, 1000..1016] {
            let mut budget = SnoopBudget::new(PER_CGROUP, TOTAL);
            assert!(observe(&mut budget, 5, 100..106).is_empty());
            for cgroup in 10..1100 {
                let gone = observe(&mut budget, cgroup, flood.clone());
                assert!(gone.iter().all(|key| flood.contains(key)), "{gone:?}");
            }
            assert!(observe(&mut budget, 5, 100..106).is_empty());
            assert!((100..106).all(|key| budget.holds(&key)));
            // Another of the same cgroup replaces its oldest, and one of a new cgroup finds no room.
            assert_eq!(observe(&mut budget, 5, 106..107), [100]);
            assert_eq!(observe(&mut budget, 1_000_000, 200..201), [200]);
            assert!(!budget.by_cgroup.contains_key(&1_000_000));
        }
    }

    #[test]
    fn a_cgroup_above_its_share_yields_to_others() {
        let mut budget = SnoopBudget::new(PER_CGROUP, TOTAL);
        for cgroup in 0..4 {
            let first = u32::try_from(cgroup).unwrap() * 1000;
            observe(&mut budget, cgroup, first..first + 256);
        }
        assert_eq!(observe(&mut budget, 9, 9000..9006).len(), 6);
        assert!((9000..9006).all(|key| budget.holds(&key)));
    }
}
