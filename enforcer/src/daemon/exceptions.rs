//! Exceptions: the cgroups that they are for, and when they end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::engine::Engine;
use crate::config::{Exception, Sni, Target};
use crate::control::EventRecord;
use crate::control::event_kinds::{EXCEPTION_BEGUN, EXCEPTION_CHANGED, EXCEPTION_ENDED};
use crate::policy::{ExceptionInput, Scope};
use crate::resolver::cache::Cache;
use crate::sys::{Cgroup, KernelError, boot_clock, unit_cgroups};

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

/// The exceptions in force, by target, reason and what they open, with their ends.
pub(super) type Running = BTreeMap<(String, String, String), Timestamp>;

impl Engine {
    /// Notes the exceptions that began, moved or ended since this was last called.
    pub(super) fn note_exceptions(&mut self) {
        let running = running(&self.sources.config.exceptions, &self.standings);
        let before = std::mem::replace(&mut self.running, running.clone());
        for note in changes(&before, &running) {
            self.publish(note);
        }
    }
}

fn running(exceptions: &[Exception], standings: &[Standing]) -> Running {
    let running = exceptions.iter().zip(standings);
    let running = running.filter(|(_, standing)| standing.deadline > 0);
    running
        .map(|(exception, _)| {
            let names = exception.names.iter().map(ToString::to_string);
            let cidrs = exception.cidrs.iter().map(ToString::to_string);
            let opens: Vec<String> = names.chain(cidrs).collect();
            let (target, reason) = (exception.target.to_string(), exception.reason.clone());
            ((target, reason, opens.join(" ")), exception.until)
        })
        .collect()
}

fn changes(before: &Running, after: &Running) -> Vec<EventRecord> {
    let note = |kind,
                key: &(String, String, String),
                what: String,
                old: Option<&Timestamp>,
                new: Option<&Timestamp>| {
        let (target, reason, opens) = key;
        let message = format!("the exception of {target} for {opens} ({reason:?}) {what}");
        let text = |time: Option<&Timestamp>| time.map(ToString::to_string);
        EventRecord::note(kind, message).changed(text(old), text(new))
    };
    let begun = after
        .iter()
        .filter_map(|(key, until)| match before.get(key) {
            None => Some(note(
                EXCEPTION_BEGUN,
                key,
                format!("is in force until {until}"),
                None,
                Some(until),
            )),
            Some(old) if old != until => {
                let what = format!("ends {until} in the place of {old}");
                Some(note(EXCEPTION_CHANGED, key, what, Some(old), Some(until)))
            }
            Some(_) => None,
        });
    let ended = before.iter().filter(|(key, _)| !after.contains_key(*key));
    let ended = ended.map(|(key, until)| {
        note(
            EXCEPTION_ENDED,
            key,
            "has ended".to_owned(),
            Some(until),
            None,
        )
    });
    begun.chain(ended).collect()
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

    #[test]
    fn an_exception_is_noted_when_it_begins_moves_and_ends() {
        let key = || {
            (
                "unit a.service".to_owned(),
                "logs".to_owned(),
                "203.0.113.7/32".to_owned(),
            )
        };
        let [early, late] = [1_000, 2_000].map(|second| Timestamp::from_second(second).unwrap());
        let until = |time| Running::from([(key(), time)]);
        let kinds = |before: &Running, after: &Running| -> Vec<_> {
            let notes = changes(before, after).into_iter();
            notes
                .map(|note| (note.reason, note.old, note.new))
                .collect()
        };
        let text = |time: Timestamp| Some(time.to_string());
        let none = Running::new();
        assert_eq!(
            kinds(&none, &until(early)),
            [(EXCEPTION_BEGUN.to_owned(), None, text(early))]
        );
        assert_eq!(
            kinds(&until(early), &until(late)),
            [(EXCEPTION_CHANGED.to_owned(), text(early), text(late))]
        );
        assert_eq!(
            kinds(&until(late), &none),
            [(EXCEPTION_ENDED.to_owned(), text(late), None)]
        );
        assert_eq!(kinds(&until(late), &until(late)), []);
    }
}
