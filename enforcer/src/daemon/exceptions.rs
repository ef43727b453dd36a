//! Exceptions: the cgroups that they are for, and when they end.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::{Exception, Sni, Target};
use crate::kernel::{Cgroup, KernelError, boot_clock, unit_cgroups};
use crate::policy::{ExceptionInput, Scope};
use crate::resolver::cache::Cache;

/// An end that moves by less than this, in nanoseconds, has not moved: both clocks are read one after the other.
const SLACK: u64 = 2_000_000_000;
/// A look at an end that is due comes after it, not before.
const ROUNDING: Duration = Duration::from_secs(1);

/// One exception as it stands now.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The cgroups that it is for, by id and level, with their paths below the root.
    pub(super) cgroups: Vec<(u64, u32, std::path::PathBuf)>,
    /// When it ends, in nanoseconds since boot; 0 once it has.
    pub(super) deadline: u64,
}

impl Standing {
    /// Looks the exception's cgroups and its end up anew, and says whether anything changed.
    ///
    /// # Errors
    /// Where the cgroup tree cannot be read; what stood before stands.
    pub(super) fn refresh(
        &mut self,
        exception: &Exception,
        root: &Path,
        now: Timestamp,
    ) -> Result<bool, KernelError> {
        let cgroups = cgroups(&exception.target, root)?;
        let deadline = deadline(exception.until, now);
        let moved = deadline.abs_diff(self.deadline) > SLACK;
        let changed = moved || cgroups != self.cgroups;
        self.cgroups = cgroups;
        if moved {
            self.deadline = deadline;
        }
        Ok(changed)
    }

    /// How long it still stands; `None` once it has ended.
    pub(super) fn left(&self) -> Option<Duration> {
        let left = self.deadline.saturating_sub(boot_clock());
        (self.deadline > 0).then(|| Duration::from_nanos(left) + ROUNDING)
    }

    /// Whom it opens names to, and until when; nobody once it has ended.
    pub(super) fn scopes(&self, exception: &Exception) -> Vec<Scope> {
        let cgroups = self.cgroups.iter().filter(|_| self.deadline > 0);
        let scope = |(cgroup, _, _): &(u64, u32, std::path::PathBuf)| Scope {
            cgroup: *cgroup,
            deadline: self.deadline,
            unchecked: exception.sni == Sni::Off,
        };
        cgroups.map(scope).collect()
    }

    /// What this exception opens; nothing once it has ended.
    pub(super) fn inputs(
        &self,
        exception: &Exception,
        cache: &Cache,
        judged: &dyn Fn(IpAddr) -> IpAddr,
    ) -> Vec<ExceptionInput> {
        if self.deadline == 0 {
            return Vec::new();
        }
        let named = cache
            .entries()
            .filter(|(name, _)| exception.names.contains(name));
        let addresses: Vec<_> = named
            .flat_map(|(_, entry)| entry.addresses().map(|(address, _)| judged(address)))
            .collect();
        let input = |(cgroup, level, _): &(u64, u32, std::path::PathBuf)| ExceptionInput {
            cgroup: *cgroup,
            level: *level,
            deadline: self.deadline,
            prefixes: exception.cidrs.clone(),
            addresses: addresses.clone(),
        };
        self.cgroups.iter().map(input).collect()
    }
}

/// The end in nanoseconds since boot; 0 where it lies behind.
fn deadline(until: Timestamp, now: Timestamp) -> u64 {
    let left = until.duration_since(now);
    if !left.is_positive() {
        return 0;
    }
    let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX / 2);
    // A boot clock that cannot be read stands at its end, and so does every exception.
    boot_clock().checked_add(left).unwrap_or(0)
}

/// The cgroups of a target that exist now: a unit that does not run has none, and neither has a cgroup that is not there.
fn cgroups(
    target: &Target,
    root: &Path,
) -> Result<Vec<(u64, u32, std::path::PathBuf)>, KernelError> {
    let found = match target {
        Target::Unit(unit) => unit_cgroups(root, unit)?,
        Target::Cgroup(path) => Cgroup::open(root, path).ok().into_iter().collect(),
    };
    let below = |cgroup: Cgroup| {
        let path = cgroup.path.strip_prefix(root).unwrap_or(&cgroup.path);
        (cgroup.id, cgroup.level, Path::new("/").join(path))
    };
    // Level 0 is everybody, and no exception.
    let found = found.into_iter().filter(|cgroup| cgroup.level > 0);
    Ok(found.map(below).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_that_has_ended_has_no_deadline() {
        let now = Timestamp::from_second(1_000).unwrap();
        assert_eq!(deadline(Timestamp::from_second(999).unwrap(), now), 0);
        assert_eq!(deadline(now, now), 0);
        let ahead = deadline(Timestamp::from_second(1_001).unwrap(), now);
        assert!(ahead > boot_clock());
        let far = "2999-01-01T00:00:00Z".parse().unwrap();
        assert!(
            deadline(far, now) > ahead,
            "an end that no clock here reaches is not a past one"
        );
    }
}
