//! Saves the cache to the state file, and restores it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::Cache;
use super::address::AddressEntry;
use super::entry::NameEntry;
use crate::name::Name;
use crate::resolver::answer::{AnswerCheck, AnswerVerdict};
use crate::resolver::moment::{wall_clock_age, wall_clock_before};
use crate::state::{Seen, State};

impl Cache {
    /// Adds the addresses of `state` as last good: each stays until successful answers have omitted it for the linger.
    /// Skips names that are not in the set (so call [`Cache::set_names`] first) and addresses that `check` refuses, and returns the latter.
    /// Times in the future, after the wall clock was set back, count as now.
    pub fn restore(
        &mut self,
        state: &State,
        check: AnswerCheck<'_>,
        now_wall: Timestamp,
        now: Duration,
    ) -> Vec<(Name, IpAddr)> {
        let mut refused = Vec::new();
        for (name, addresses) in &state.names {
            let Some(entry) = self.entries.get_mut(name) else {
                continue;
            };
            for (address, seen) in addresses {
                let untagged = match check(name, *address) {
                    AnswerVerdict::Accept => false,
                    AnswerVerdict::AcceptUntagged => true,
                    AnswerVerdict::Refuse(_) => {
                        refused.push((name.clone(), *address));
                        continue;
                    }
                };
                let first_age = wall_clock_age(now_wall, seen.first_seen);
                let last_age = wall_clock_age(now_wall, seen.last_seen);
                let restored = AddressEntry::seen_before(now, first_age, last_age, untagged);
                entry.restore(*address, restored, self.settings.addresses);
            }
        }
        refused
    }

    /// Returns the state to save: the names in the set, with the addresses from answers to the daemon. Snooped addresses are not saved:
    /// after a restart they would count as resolved. Wall-clock times are computed back from `now_wall`, so a clock that was wrong when an
    /// address was seen does not matter.
    pub fn persist(&self, now_wall: Timestamp, now: Duration) -> State {
        let seen = |entry: &NameEntry| {
            entry
                .addresses()
                .filter(|(_, entry)| !entry.is_snooped())
                .map(|(address, entry)| {
                    let seen = Seen {
                        first_seen: wall_clock_before(now_wall, entry.first_seen_age(now)),
                        last_seen: wall_clock_before(now_wall, entry.last_seen_age(now)),
                    };
                    (address, seen)
                })
                .collect()
        };
        let names = self.entries.iter();
        let names = names
            .filter(|(_, entry)| !entry.is_departed())
            .map(|(name, entry)| (name.clone(), seen(entry)))
            .filter(|(_, seen): &(_, BTreeMap<_, _>)| !seen.is_empty());
        State::new(names.collect())
    }
}
