//! The budget for addresses that answers to others held. Pure.
//!
//! Anybody who may ask a resolver, with an accomplice who forges its answers, brings in as many addresses as they like. Each asker therefore has
//! a budget of its own, in which the newest address replaces the oldest: a flood displaces only what its own cgroup brought in.

use std::collections::{BTreeMap, VecDeque};

/// Addresses that one cgroup can bring in, counted for each name.
pub const PER_CGROUP: usize = 256;
/// Addresses that all cgroups can bring in together, counted for each name. Beyond it, the cgroup with the most gives up its oldest.
pub const TOTAL: usize = 1024;

/// Which cgroup brought in what, oldest first.
#[derive(Debug)]
pub struct Budget<K> {
    by_cgroup: BTreeMap<u64, VecDeque<K>>,
    per_cgroup: usize,
    total: usize,
}

impl<K: Clone + PartialEq> Budget<K> {
    /// A budget of so many entries.
    pub fn new(per_cgroup: usize, total: usize) -> Self {
        Self {
            by_cgroup: BTreeMap::new(),
            per_cgroup,
            total,
        }
    }

    /// Counts `key` for `cgroup` as its newest, and returns what nobody holds any more for that.
    pub fn observe(&mut self, cgroup: u64, key: K) -> Vec<K> {
        let held = self.by_cgroup.entry(cgroup).or_default();
        held.retain(|known| *known != key);
        held.push_back(key);
        let mut displaced = Vec::new();
        if held.len() > self.per_cgroup {
            displaced.extend(held.pop_front());
        }
        if self.by_cgroup.values().map(VecDeque::len).sum::<usize>() > self.total {
            let largest = self.by_cgroup.values_mut().max_by_key(|held| held.len());
            displaced.extend(largest.and_then(VecDeque::pop_front));
        }
        displaced.retain(|key| !self.holds(key));
        displaced
    }

    /// Drops what `keeps` says is there no longer.
    pub fn retain(&mut self, keeps: impl Fn(&K) -> bool) {
        for held in self.by_cgroup.values_mut() {
            held.retain(&keeps);
        }
        self.by_cgroup.retain(|_, held| !held.is_empty());
    }

    /// Whether some cgroup holds it.
    pub fn holds(&self, key: &K) -> bool {
        self.by_cgroup.values().any(|held| held.contains(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observes numbers, and returns what goes.
    fn observe(budget: &mut Budget<u32>, cgroup: u64, keys: impl Iterator<Item = u32>) -> Vec<u32> {
        keys.flat_map(|key| budget.observe(cgroup, key)).collect()
    }

    #[test]
    fn a_flood_displaces_only_its_own_and_the_newest_replaces_the_oldest() {
        let mut budget = Budget::new(PER_CGROUP, TOTAL);
        assert!(observe(&mut budget, 1, 0..10).is_empty());
        let gone = observe(&mut budget, 2, 100..11_300);
        assert_eq!(gone, (100..11_300 - 256).collect::<Vec<_>>());
        assert!((0..10).all(|key| budget.holds(&key)));
    }

    #[test]
    fn what_two_brought_in_stays_until_the_last_of_them_gives_it_up() {
        let mut budget = Budget::new(2, 100);
        observe(&mut budget, 1, 7..8);
        observe(&mut budget, 2, 7..8);
        assert_eq!(observe(&mut budget, 2, 100..104), [100, 101]);
        assert_eq!(observe(&mut budget, 1, 200..202), [7]);
    }

    #[test]
    fn what_is_seen_again_is_the_newest() {
        let mut budget = Budget::new(2, 100);
        assert_eq!(observe(&mut budget, 1, [1, 2, 1, 3].into_iter()), [2]);
    }

    #[test]
    fn of_many_cgroups_the_one_with_the_most_gives_up_first() {
        let mut budget = Budget::new(4, 6);
        observe(&mut budget, 1, 10..11);
        observe(&mut budget, 2, 20..24);
        assert_eq!(observe(&mut budget, 3, 30..33), [20, 30]);
        assert!(budget.holds(&10));
        budget.retain(|key| *key >= 30);
        assert!(!budget.holds(&10) && budget.holds(&31));
    }
}
