//! Detects whether the kernel programs see answers to the daemon's own DNS queries. If they do not, something on this host redirects DNS
//! around them, and they see no other program's answers either.

use std::time::Duration;

/// Consecutive answers without an observation that indicate blindness, if at least [`PATIENCE`] passed since the first.
const MISSED: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers to the daemon's own queries since the programs last observed one.
#[derive(Debug, Default)]
pub(crate) struct DnsVisibility {
    /// The daemon's cgroup; `None` if the programs do not judge it.
    cgroup: Option<u64>,
    missed: u32,
    since: Duration,
}

impl DnsVisibility {
    /// Creates the tracker for a daemon in `cgroup`; `None` if the programs do not judge it.
    pub(crate) fn new(cgroup: Option<u64>) -> Self {
        Self {
            cgroup,
            ..Self::default()
        }
    }

    /// Counts an answer with addresses of an allowed name.
    pub(crate) fn answered(&mut self, now: Duration) {
        if self.missed == 0 {
            self.since = now;
        }
        self.missed = self.missed.saturating_add(1);
    }

    /// Resets the count if the programs saw a DNS message of the daemon's cgroup.
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
    fn answers_without_an_observation_are_reported_after_a_while() {
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
    fn no_observation_is_expected_if_the_daemon_is_not_judged() {
        let mut visibility = DnsVisibility::default();
        for seconds in 0..100 {
            visibility.answered(at(seconds));
        }
        assert!(!visibility.is_blind(at(100)));
    }
}
