//! Warnings: what is valid in a configuration, but probably not meant or weaker than necessary.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::value::below_cgroup_mount;
use super::{Config, Exception, REGISTRY_TAG, Sni, Target};

/// How long before its end an exception is a warning: two weeks, to plan for it.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
const HOURS_OF_DAY: i64 = 24;

impl Config {
    /// Returns what is valid but probably not meant, one sentence each. `now` is the wall-clock time.
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let allows_pushes = (!self.protect.tags.iter().any(|tag| tag == REGISTRY_TAG)).then(|| {
            format!(
                "protect.tags: {REGISTRY_TAG} is not listed, so every registry stays reachable and accepts pushes from this host"
            )
        });
        let exceptions = || self.exceptions.iter();
        let ends = exceptions().filter_map(|exception| end(exception, now));
        let mounts = exceptions().filter_map(mount_point);
        let notes = self.notes.iter().cloned();
        let warnings = allows_pushes.into_iter().chain(notes);
        warnings.chain(ends).chain(mounts).collect()
    }

    /// Returns what it allows unnecessarily, one sentence each.
    pub fn weaknesses(&self) -> Vec<String> {
        let registries = self.registries.iter();
        let registries = registries.filter(|registry| registry.sni == Sni::Off);
        let registries = registries.map(|registry| format!("{}", registry.login_server));
        let exceptions = self.exceptions.iter();
        let exceptions = exceptions.filter(|exception| exception.sni == Sni::Off);
        let exceptions =
            exceptions.map(|exception| format!("the exception for {}", exception.target));
        let off = registries.chain(exceptions);
        off.map(|subject| {
            format!(
                "{subject} has sni = \"off\": other services that share its addresses can be reached as well"
            )
        })
        .collect()
    }
}

/// Returns the warning that an exception has ended, or ends soon.
fn end(exception: &Exception, now: Timestamp) -> Option<String> {
    let Exception {
        target,
        reason,
        until,
        ..
    } = exception;
    let subject = format!("exception.until: the exception for {target} (\"{reason}\")");
    let left = until.duration_since(now);
    if !left.is_positive() {
        return Some(format!("{subject} ended at {until} and allows nothing"));
    }
    (left <= SOON).then(|| {
        let when = match left.as_hours() / HOURS_OF_DAY {
            0 => "in less than a day".to_owned(),
            1 => "in one day".to_owned(),
            days => format!("in {days} days"),
        };
        format!("{subject} ends {when}, at {until}; set a later date if it is still needed")
    })
}

/// Returns the warning that the path of a cgroup begins with the mount point.
fn mount_point(exception: &Exception) -> Option<String> {
    let Target::Cgroup(path) = &exception.target else {
        return None;
    };
    let below = below_cgroup_mount(path)?;
    Some(format!(
        "exception.cgroup: \"{}\" begins with the mount point of the cgroup tree; write \"{}\"",
        path.display(),
        Path::new("/").join(below).display()
    ))
}
