//! Limits the DNS queries of all parts of the daemon together. No I/O: time is a parameter.

use std::collections::VecDeque;
use std::time::Duration;

/// The most queries in any second: to the resolver of a small site, a burst would look like an attack.
pub const QUERIES_PER_SECOND: usize = 20;
/// A lookup sends an A and an AAAA query.
const QUERIES_PER_LOOKUP: usize = 2;
/// The sliding window: one second, and a tenth more for queries delayed between here and the network.
const WINDOW: Duration = Duration::from_millis(1100);
/// Lookups per window that are reserved for names of the policy, so that none waits behind background lookups.
const RESERVED: usize = 2;

/// Lookups with a lower priority than those of names of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// Discovery of replicas in other regions.
    Discovery,
    /// Names that match a pattern of the policy.
    Patterns,
}

/// The queries of the last window.
#[derive(Debug, Default)]
pub struct RateLimiter {
    /// When the last queries were sent, oldest first; at most [`QUERIES_PER_SECOND`].
    sent: VecDeque<Duration>,
    /// Which kinds of background lookups have the next turn, by [`Background`].
    owed: [bool; 2],
}

impl RateLimiter {
    /// Returns how many lookups of names of the policy may start now.
    pub fn lookups(&self, now: Duration) -> usize {
        self.free(now).saturating_sub(self.owed())
    }

    /// Returns how many background lookups may start now.
    pub fn searches(&self, of: Background, now: Duration) -> usize {
        self.free(now).saturating_sub(self.yielded_by(of))
    }

    /// Returns when a name of the policy may be looked up, as time since the start, possibly in the past.
    pub fn next_lookup(&self) -> Duration {
        self.next(QUERIES_PER_LOOKUP * (1 + self.owed()))
    }

    /// Returns when a background lookup may start, as time since the start, possibly in the past.
    pub fn next_search(&self, of: Background) -> Duration {
        self.next(QUERIES_PER_LOOKUP * (1 + self.yielded_by(of)))
    }

    /// Sets whether a background lookup has waited so long that it gets the next turn, however many names of the policy are due.
    pub fn owe_search(&mut self, of: Background, owes: bool) {
        self.owed[of as usize] = owes;
    }

    /// How many kinds of background lookups have the next turn.
    fn owed(&self) -> usize {
        self.owed.iter().filter(|owes| **owes).count()
    }

    /// How many lookups this kind leaves to others.
    fn yielded_by(&self, of: Background) -> usize {
        match self.owed[of as usize] {
            true => self.owed() - 1,
            false => self.owed() + RESERVED,
        }
    }

    /// Counts a lookup that starts now.
    pub fn start(&mut self, now: Duration) {
        for _ in 0..QUERIES_PER_LOOKUP {
            self.send(now);
        }
    }

    /// Returns when one more query may be sent, as time since the start, possibly in the past.
    pub(super) fn next_query(&self) -> Duration {
        self.next(1)
    }

    /// Counts one query that is sent now.
    pub(super) fn send(&mut self, now: Duration) {
        if self.sent.len() == QUERIES_PER_SECOND {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// How many lookups fit into the window.
    fn free(&self, now: Duration) -> usize {
        let counted = self.sent.iter().filter(|sent| **sent + WINDOW > now);
        QUERIES_PER_SECOND.saturating_sub(counted.count()) / QUERIES_PER_LOOKUP
    }

    /// When this many queries may be sent at once.
    fn next(&self, queries: usize) -> Duration {
        let too_many = (self.sent.len() + queries).checked_sub(QUERIES_PER_SECOND + 1);
        let oldest = too_many.and_then(|index| self.sent.get(index));
        oldest.map_or(Duration::ZERO, |sent| *sent + WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn ten_lookups_start_at_once_and_the_next_one_window_later() {
        let mut limiter = RateLimiter::default();
        assert_eq!((limiter.lookups(ms(0)), limiter.next_lookup()), (10, ms(0)));
        for _ in 0..10 {
            limiter.start(ms(0));
        }
        assert_eq!(
            (limiter.lookups(ms(1000)), limiter.next_lookup()),
            (0, WINDOW)
        );
        assert_eq!(limiter.lookups(WINDOW), 10);
    }

    #[test]
    fn background_lookups_leave_room_for_names_of_the_policy() {
        let mut limiter = RateLimiter::default();
        for _ in 0..8 {
            assert_ne!(limiter.searches(Background::Discovery, ms(0)), 0);
            limiter.start(ms(0));
        }
        for of in [Background::Discovery, Background::Patterns] {
            let searches = (limiter.searches(of, ms(0)), limiter.next_search(of));
            assert_eq!(searches, (0, WINDOW));
        }
        assert_eq!((limiter.lookups(ms(0)), limiter.next_lookup()), (2, ms(0)));
    }

    #[test]
    fn a_background_lookup_that_is_owed_a_turn_gets_one() {
        use Background::{Discovery, Patterns};
        for (of, other) in [(Discovery, Patterns), (Patterns, Discovery)] {
            let mut limiter = RateLimiter::default();
            for _ in 0..9 {
                limiter.start(ms(0));
            }
            assert_eq!(
                (limiter.searches(of, ms(0)), limiter.lookups(ms(0))),
                (0, 1)
            );
            limiter.owe_search(of, true);
            assert_eq!(
                (limiter.searches(of, ms(0)), limiter.lookups(ms(0))),
                (1, 0)
            );
            assert_eq!(
                (limiter.next_search(of), limiter.next_lookup()),
                (ms(0), WINDOW)
            );
            assert_eq!(limiter.searches(other, ms(0)), 0);
        }
    }

    #[test]
    fn both_kinds_of_background_lookups_that_are_owed_a_turn_get_one_each() {
        use Background::{Discovery, Patterns};
        let mut limiter = RateLimiter::default();
        for of in [Discovery, Patterns] {
            limiter.owe_search(of, true);
        }
        for _ in 0..8 {
            limiter.start(ms(0));
        }
        assert_eq!(limiter.lookups(ms(0)), 0);
        assert_eq!(limiter.searches(Discovery, ms(0)), 1);
        limiter.start(ms(0));
        limiter.owe_search(Discovery, false);
        assert_eq!(limiter.searches(Discovery, ms(0)), 0);
        assert_eq!(limiter.searches(Patterns, ms(0)), 1);
    }

    proptest! {
        #[test]
        fn no_second_has_more_queries_than_the_limit_and_waiting_ones_start_in_time(
            steps in prop::collection::vec((0..700_u64, 0..4_usize, any::<[bool; 2]>()), 1..200)
        ) {
            let (mut limiter, mut now, mut sent) = (RateLimiter::default(), ms(0), Vec::new());
            for (wait, wanted, owes) in steps {
                now += ms(wait);
                for _ in 0..wanted {
                    now = now.max(limiter.next_query());
                    limiter.send(now);
                    sent.push(now);
                }
                for of in [Background::Discovery, Background::Patterns] {
                    limiter.owe_search(of, owes[of as usize]);
                }
                prop_assert_eq!(limiter.lookups(now) > 0, limiter.next_lookup() <= now);
                for of in [Background::Discovery, Background::Patterns] {
                    let is_next = limiter.next_search(of) <= now;
                    prop_assert_eq!(limiter.searches(of, now) > 0, is_next);
                }
            }
            for (index, first) in sent.iter().enumerate() {
                let second = sent[index..].iter().take_while(|at| **at < *first + ms(1000));
                prop_assert!(second.count() <= QUERIES_PER_SECOND);
            }
        }
    }
}
