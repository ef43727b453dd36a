//! How many addresses come in by answers that the daemon did not ask for, or asked for because somebody else did.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::engine::Engine;
use crate::name::Name;
use crate::resolver::cache::observed::{Budget, PER_CGROUP, TOTAL};

/// Addresses that the daemon's own lookups of patterns' names can bring in. Beyond it, the newest replaces the oldest.
const PATTERN_ANSWERS: usize = 1024;

/// A name or pattern, and an address that it leads to.
type Pair = (String, IpAddr);

/// The budgets.
#[derive(Debug)]
pub(super) struct Budgets {
    observed: Budget<Pair>,
    pattern_answers: Budget<Pair>,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            observed: Budget::new(PER_CGROUP, TOTAL),
            pattern_answers: Budget::new(PATTERN_ANSWERS, PATTERN_ANSWERS),
        }
    }
}

impl Engine {
    /// Counts an address that an answer to `cgroup` held, and drops what it displaces.
    pub(super) fn charge(&mut self, cgroup: u64, name: &str, address: IpAddr) {
        let pair = (name.to_owned(), address);
        for (name, address) in self.budgets.observed.observe(cgroup, pair) {
            let is_answered = |pair: &Pair| self.budgets.pattern_answers.holds(pair);
            let pair = (name, address);
            if !is_answered(&pair) {
                self.displace(&pair.0, pair.1);
            }
        }
    }

    /// Counts an address that the daemon's own lookup found for a pattern, and drops what it displaces.
    pub(super) fn charge_pattern(&mut self, pattern: &str, address: IpAddr) {
        let pair = (pattern.to_owned(), address);
        for pair in self.budgets.pattern_answers.observe(0, pair) {
            if !self.budgets.observed.holds(&pair) {
                self.displace(&pair.0, pair.1);
            }
        }
    }

    fn displace(&mut self, name: &str, address: IpAddr) {
        if let Some(pattern) = self.sources.pattern(name) {
            self.patterns.forget(pattern, address);
        } else if let Ok(name) = name.parse::<Name>() {
            self.cache.forget_observed(&name, address);
        }
    }

    /// Frees what has ended for other reasons.
    pub(super) fn follow_ends(&mut self) {
        let named = self.cache.entries().flat_map(|(name, entry)| {
            let addresses = entry.addresses().map(|(address, _)| address);
            addresses.map(|address| (name.to_string(), address))
        });
        let there: BTreeSet<Pair> = named.chain(self.patterns.pairs()).collect();
        self.budgets.observed.retain(|pair| there.contains(pair));
        self.budgets
            .pattern_answers
            .retain(|pair| there.contains(pair));
    }
}
