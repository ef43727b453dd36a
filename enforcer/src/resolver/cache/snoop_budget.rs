//! The budget for addresses that answers to others held. Pure.
//!
//! Anybody who may ask a resolver, with an accomplice who forges its answers, brings in as many addresses as they like. Each asker therefore has
//! a budget of its own, in which the newest address replaces the oldest: a flood displaces only what its own cgroup brought in. As cgroups cost
//! nothing either, many of them together displace nothing of one that has no more than its share of the total.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Addresses that one cgroup can bring in, counted for each name.
pub const PER_CGROUP: usize = 256;
/// Addresses that all cgroups can bring in together, counted for each name and cgroup. Beyond it, the cgroup with the most gives up its oldest if
/// that is more than a share, and otherwise the one that brings in another.
pub const TOTAL: usize = 1024;
/// Shares of the total: a cgroup with at most one of them gives up nothing for others.
const SHARES: usize = 64;

/// Which cgroup brought in what and when, oldest first.
#[derive(Debug)]
pub struct SnoopBudget<K> {
    by_cgroup: BTreeMap<u64, VecDeque<(K, Duration)>>,
    per_cgroup: usize,
    total: usize,
}

impl<K: Clone + PartialEq> SnoopBudget<K> {
    /// A budget of so many entries.
    pub fn new(per_cgroup: usize, total: usize) -> Self {
        Self {
            by_cgroup: BTreeMap::new(),
            per_cgroup,
            total,
        }
    }

    /// Counts `key` for `cgroup` as its newest, and returns what nobody holds any more for that; `key` itself, where it found no room.
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

    /// The cgroup with the most, if that is more than its share.
    fn above_its_share(&self) -> Option<u64> {
        let largest = self.by_cgroup.iter().max_by_key(|(_, held)| held.len())?;
        (largest.1.len() > self.total / SHARES).then_some(*largest.0)
    }

    /// Keeps only what `keeps` says is still there, by the time at which its cgroup last brought it in.
    pub fn retain(&mut self, keeps: impl Fn(&K, Duration) -> bool) {
        for held in self.by_cgroup.values_mut() {
            held.retain(|(key, observed)| keeps(key, *observed));
        }
        self.by_cgroup.retain(|_, held| !held.is_empty());
    }

    /// Whether some cgroup holds it.
    pub fn holds(&self, key: &K) -> bool {
        let mut all = self.by_cgroup.values().flatten();
        all.any(|(held, _)| held == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observes numbers, and returns what goes.
    fn observe(
        budget: &mut SnoopBudget<u32>,
        cgroup: u64,
        keys: impl Iterator<Item = u32>,
    ) -> Vec<u32> {
        keys.flat_map(|key| budget.observe(cgroup, key, Duration::ZERO))
            .collect()
    }

    #[test]
    fn a_flood_displaces_only_its_own_and_the_newest_replaces_the_oldest() {
        let mut budget = SnoopBudget::new(PER_CGROUP, TOTAL);
        assert!(observe(&mut budget, 1, 0..10).is_empty());
        let gone = observe(&mut budget, 2, 100..11_300);
        assert_eq!(gone, (100..11_300 - 256).collect::<Vec<_>>());
        assert!((0..10).all(|key| budget.holds(&key)));
    }

    #[test]
    fn what_two_brought_in_stays_until_the_last_of_them_gives_it_up() {
        let mut budget = SnoopBudget::new(2, 100);
        observe(&mut budget, 1, 7..8);
        observe(&mut budget, 2, 7..8);
        assert_eq!(observe(&mut budget, 2, 100..104), [100, 101]);
        assert_eq!(observe(&mut budget, 1, 200..202), [7]);
    }

    #[test]
    fn what_is_seen_again_is_the_newest() {
        let mut budget = SnoopBudget::new(2, 100);
        assert_eq!(observe(&mut budget, 1, [1, 2, 1, 3].into_iter()), [2]);
    }

    #[test]
    fn of_many_cgroups_the_one_with_the_most_gives_up_first() {
        let mut budget = SnoopBudget::new(4, 6);
        observe(&mut budget, 1, 10..11);
        observe(&mut budget, 2, 20..24);
        assert_eq!(observe(&mut budget, 3, 30..33), [20, 30]);
        assert!(budget.holds(&10));
        budget.retain(|key, _| *key >= 30);
        assert!(!budget.holds(&10) && budget.holds(&31));
    }

    #[test]
    fn many_cgroups_displace_nothing_of_one_with_no_more_than_its_share() {
        for flood in [7..8, 1000..1016] {
            let mut budget = SnoopBudget::new(PER_CGROUP, TOTAL);
            assert!(observe(&mut budget, 5, 100..106).is_empty());
            for cgroup in 10..1100 {
                let gone = observe(&mut budget, cgroup, flood.clone());
                assert!(gone.iter().all(|key| flood.contains(key)), "{gone:?}");
            }
            assert!(observe(&mut budget, 5, 100..106).is_empty());
            assert!((100..106).all(|key| budget.holds(&key)));
            // Another of its own replaces its oldest, and one of a cgroup that has none yet finds no room.
            assert_eq!(observe(&mut budget, 5, 106..107), [100]);
            assert_eq!(observe(&mut budget, 1_000_000, 200..201), [200]);
            assert!(!budget.by_cgroup.contains_key(&1_000_000));
        }
    }

    #[test]
    fn a_cgroup_above_its_share_gives_way_to_others() {
        let mut budget = SnoopBudget::new(PER_CGROUP, TOTAL);
        for cgroup in 0..4 {
            let first = u32::try_from(cgroup).unwrap() * 1000;
            observe(&mut budget, cgroup, first..first + 256);
        }
        assert_eq!(observe(&mut budget, 9, 9000..9006).len(), 6);
        assert!((9000..9006).all(|key| budget.holds(&key)));
    }
}
