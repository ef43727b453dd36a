//! The cache to and from the state file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::address::AddressEntry;
use super::{AnswerCheck, Cache, NameEntry};
use crate::name::Name;
use crate::resolver::answer::AnswerVerdict;
use crate::state::{Seen, State};

impl Cache {
    /// Enters the addresses of `state` as last good: each stays until successful answers leave it out for the linger.
    /// Names that are not in the set (so [`Cache::set_names`] comes first) and addresses that `check` refuses are left
    /// out. Sightings in the future, after the wall clock jumped back, count as now. Returns the refused addresses.
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
                let first_age = age(now_wall, seen.first_seen);
                let last_age = age(now_wall, seen.last_seen);
                let restored = AddressEntry::seen_before(now, first_age, last_age, untagged);
                entry.restore(*address, restored, self.settings.addresses);
            }
        }
        refused
    }

    /// What to write to the state file: the names in the set, with the addresses that answers to the daemon held. What only others were
    /// told is not among them: after a restart it would count as the daemon's own. Wall times are reckoned back from
    /// `now_wall`, so a clock that was wrong when an address was seen does not matter.
    pub fn persist(&self, now_wall: Timestamp, now: Duration) -> State {
        let seen = |entry: &NameEntry| {
            entry
                .addresses()
                .filter(|(_, entry)| !entry.is_snooped())
                .map(|(address, entry)| {
                    let seen = Seen {
                        first_seen: before(now_wall, entry.first_seen_age(now)),
                        last_seen: before(now_wall, entry.last_seen_age(now)),
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

pub(in crate::resolver) fn age(now: Timestamp, seen: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(seen)).unwrap_or(Duration::ZERO)
}

pub(in crate::resolver) fn before(now: Timestamp, age: Duration) -> Timestamp {
    now.checked_sub(age).unwrap_or(Timestamp::MIN)
}
