//! An exception in force: the cgroups that it applies to, and its deadline.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::event::{CgroupRef, TargetCgroups};
use crate::config::{Exception, Sni};
use crate::now::Now;
use crate::policy::{ExceptionInput, Scope};
use crate::resolver::cache::Cache;

/// Nanoseconds by which a deadline may vary without counting as changed: the two clocks are read one after the other.
const SLACK: u64 = 2_000_000_000;
/// Added to the time left so that the next check happens after the deadline.
const ROUNDING: Duration = Duration::from_secs(1);

/// The current state of one exception.
#[derive(Debug, Default)]
pub(crate) struct ExceptionState {
    /// The cgroups that it applies to.
    pub(crate) cgroups: Vec<CgroupRef>,
    /// The deadline in nanoseconds since boot; 0 once it has ended.
    pub(crate) deadline: u64,
}

impl ExceptionState {
    /// Updates the cgroups from the lookup, and the deadline from the wall time `wall` and the boot clock `boot` of the same moment.
    ///
    /// # Errors
    /// If the cgroups could not be looked up; the previous ones stay.
    pub(crate) fn refresh<'a>(
        &mut self,
        exception: &Exception,
        cgroups: &'a TargetCgroups,
        wall: Timestamp,
        boot: u64,
    ) -> Result<(), &'a str> {
        if let Some(found) = cgroups.get(&exception.target) {
            self.cgroups = found?.to_vec();
        }
        let deadline = deadline(exception.until, wall, boot);
        if deadline.abs_diff(self.deadline) > SLACK {
            self.deadline = deadline;
        }
        Ok(())
    }

    /// Returns the time left; `None` once it has ended.
    pub(crate) fn left(&self, now: Now) -> Option<Duration> {
        let left = self.deadline.saturating_sub(now.boot);
        (self.deadline > 0).then(|| Duration::from_nanos(left) + ROUNDING)
    }

    /// Returns the cgroups that its names are allowed for, with the deadline; empty once it has ended.
    pub(crate) fn scopes(&self, exception: &Exception) -> Vec<Scope> {
        let cgroups = self.cgroups.iter().filter(|_| self.deadline > 0);
        let scope = |cgroup: &CgroupRef| Scope {
            cgroup: cgroup.id,
            deadline: self.deadline,
            unchecked: exception.sni == Sni::Off,
        };
        cgroups.map(scope).collect()
    }

    /// Returns the prefixes and addresses that it allows, by cgroup; empty once it has ended.
    pub(crate) fn inputs(
        &self,
        exception: &Exception,
        cache: &Cache,
        effective: &dyn Fn(IpAddr) -> IpAddr,
    ) -> Vec<ExceptionInput> {
        if self.deadline == 0 {
            return Vec::new();
        }
        let named = cache
            .entries()
            .filter(|(name, _)| exception.names.contains(name));
        let addresses: Vec<_> = named
            .flat_map(|(_, entry)| entry.addresses().map(|(address, _)| effective(address)))
            .collect();
        let input = |cgroup: &CgroupRef| ExceptionInput {
            cgroup: cgroup.id,
            level: cgroup.level,
            deadline: self.deadline,
            prefixes: exception.cidrs.clone(),
            addresses: addresses.clone(),
            bypasses_devices: exception.bypasses_devices,
        };
        self.cgroups.iter().map(input).collect()
    }
}

/// What identifies an exception in notes: target, reason and allowed destinations.
pub(crate) type ExceptionKey = (String, String, String);

/// The exceptions in force, each with its end.
pub(crate) type Running = BTreeMap<ExceptionKey, Timestamp>;

/// Returns the end in nanoseconds since boot; 0 if it has passed.
fn deadline(until: Timestamp, now: Timestamp, boot: u64) -> u64 {
    let left = until.duration_since(now);
    if !left.is_positive() {
        return 0;
    }
    let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX / 2);
    // An unreadable boot clock reads as its maximum, which ends every exception.
    boot.checked_add(left).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_that_has_ended_has_no_deadline() {
        let now = Timestamp::from_second(1_000).unwrap();
        assert_eq!(deadline(Timestamp::from_second(999).unwrap(), now, 7), 0);
        assert_eq!(deadline(now, now, 7), 0);
        let ahead = deadline(Timestamp::from_second(1_001).unwrap(), now, 7);
        assert!(ahead > 7);
        let far = "2999-01-01T00:00:00Z".parse().unwrap();
        assert!(
            deadline(far, now, 7) > ahead,
            "an end that no clock here reaches is not a past one"
        );
    }
}
