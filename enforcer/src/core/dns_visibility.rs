//! Whether the kernel programs see the answers to the daemon's own DNS questions. Where they do not, something on this host rewrites DNS out of
//! their sight, and they see the answers to nobody.

use std::time::Duration;

/// So many answers in a row without an observation are no accident, if they came over at least [`PATIENCE`].
const MISSED: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(10);

/// The answers to the daemon's own questions since the programs last saw one.
#[derive(Debug, Default)]
pub(crate) struct DnsVisibility {
    /// The daemon's cgroup; `None` where the programs do not judge it.
    cgroup: Option<u64>,
    missed: u32,
    since: Duration,
}

impl DnsVisibility {
    /// Of a daemon in this cgroup; `None` where the programs do not judge it.
    pub(crate) fn new(cgroup: Option<u64>) -> Self {
        Self {
            cgroup,
            ..Self::default()
        }
    }

    /// An answer came with addresses of an allowed name.
    pub(crate) fn answered(&mut self, now: Duration) {
        if self.missed == 0 {
            self.since = now;
        }
        self.missed = self.missed.saturating_add(1);
    }

    /// The programs saw a DNS message of `cgroup`.
    pub(crate) fn observed(&mut self, cgroup: u64) {
        if self.cgroup == Some(cgroup) {
            self.missed = 0;
        }
    }

    pub(crate) fn is_blind(&self, now: Duration) -> bool {
        self.cgroup.is_some() && self.missed >= MISSED && now >= self.since + PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn judged() -> DnsVisibility {
        DnsVisibility {
            cgroup: Some(7),
            ..DnsVisibility::default()
        }
    }

    #[test]
    fn answers_over_some_time_without_an_observation_are_told() {
        let mut visibility = judged();
        for seconds in [100, 101, 102] {
            visibility.answered(at(seconds));
            visibility.observed(8);
        }
        assert!(!visibility.is_blind(at(109)));
        assert!(visibility.is_blind(at(110)));
        visibility.observed(7);
        assert!(!visibility.is_blind(at(1000)));
        visibility.answered(at(1000));
        visibility.answered(at(1001));
        assert!(!visibility.is_blind(at(2000)), "two may be an accident");
    }

    #[test]
    fn where_the_daemon_is_not_judged_nothing_is_expected() {
        let mut visibility = DnsVisibility::default();
        for seconds in 0..100 {
            visibility.answered(at(seconds));
        }
        assert!(!visibility.is_blind(at(100)));
    }
}
