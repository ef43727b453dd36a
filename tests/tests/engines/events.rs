//! Denials that the daemon reports while something runs.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use enforcer::{control::EventRecord, core::Counters};

use crate::scene::Scene;

/// Time limit for an event to be reported.
const REPORTED_WITHIN: Duration = Duration::from_secs(30);
const DEVICE_HOOK: &str = "device";
const PAUSE: Duration = Duration::from_millis(20);

/// Where a container's traffic is judged first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At its sockets: its cgroup is in scope.
    Socket,
    /// At the network device by which its frames leave the host: its cgroup is not in scope.
    Device,
}

impl Place {
    /// The parent of a container's cgroup, below the lab's.
    pub(crate) fn cgroup(self) -> &'static str {
        match self {
            Self::Socket => "/device/containers",
            Self::Device => "/containers",
        }
    }

    fn denied(self, counters: &Counters, reason: &str) -> u64 {
        let counts = counters.counts.iter().filter(|count| {
            count.verdict == "deny"
                && count.reason == reason
                && (count.hook == DEVICE_HOOK) == (self == Self::Device)
        });
        counts.map(|count| count.count).sum()
    }

    fn is_of(self, event: &EventRecord) -> bool {
        match self {
            Self::Socket => event.device.is_none() && event.cgroup.is_some(),
            Self::Device => event.hook == DEVICE_HOOK && event.device.as_deref() == Some("eth0"),
        }
    }
}

/// What ran, and the decisions before it.
pub(crate) struct Reported<'a, T, E> {
    scene: &'a Scene<E>,
    before: Counters,
    pub(crate) value: T,
}

impl<E> Scene<E> {
    /// Runs `work`, whose denials the result checks.
    pub(crate) fn reported<T>(
        &self,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<Reported<'_, T, E>> {
        Ok(Reported {
            scene: self,
            before: self.counters()?,
            value: work()?,
        })
    }

    fn counters(&self) -> Result<Counters> {
        Ok(self.fixture.enforcer.api_status()?.counters)
    }
}

impl<T, E> Reported<'_, T, E> {
    /// Checks that `place` has denied something for `reason` meanwhile, and has reported it for one of `addresses`: now, or as the denial of
    /// another container less than ten seconds ago, since the device does not tell them apart.
    pub(crate) fn check(&self, (addresses, reason): ([&str; 2], &str), place: Place) -> Result<()> {
        let after = self.scene.counters()?;
        let counts = [&self.before, &after].map(|counters| place.denied(counters, reason));
        ensure!(counts[0] < counts[1], "{reason}, {place:?}: {counts:?}");
        let is_wanted = |event: &EventRecord| {
            let destination = event.destination.map(|address| address.to_string());
            event.verdict == "deny"
                && event.reason == reason
                && destination.is_some_and(|address| addresses.contains(&address.as_str()))
                && place.is_of(event)
        };
        let deadline = Instant::now() + REPORTED_WITHIN;
        loop {
            let events = self.scene.fixture.enforcer.events()?;
            if events.iter().any(is_wanted) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("no event of {addresses:?}, {reason}, {place:?}: {events:#?}");
            }
            thread::sleep(PAUSE);
        }
    }
}
