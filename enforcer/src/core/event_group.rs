//! Groups of events, for fair shares of memory and disk.

use std::fmt;
use std::path::Path;

use super::event_record::EventRecord;

/// Events that count together, so that a flood of one group does not displace those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EventGroup<'a> {
    /// Changes.
    Notes,
    /// All cgroups of a systemd unit.
    Unit(&'a str),
    /// A container outside units.
    Container(&'a str),
    /// A cgroup outside units and containers.
    Cgroup(&'a Path),
    /// Denials of cgroups that were removed before the daemon identified them. Apart from the notes, since any process can cause many.
    UnknownCgroup,
}

impl<'a> EventGroup<'a> {
    /// Returns the outermost group. All cgroups below a unit count as one, since a service or a user's manager can create any number.
    pub(crate) fn of(record: &'a EventRecord) -> Self {
        match &record.unit {
            _ if record.is_note() => Self::Notes,
            Some(unit) => Self::Unit(unit),
            None => Self::within(record),
        }
    }

    /// Returns the group within a unit.
    pub(crate) fn within(record: &'a EventRecord) -> Self {
        match (&record.container, &record.cgroup) {
            (Some(container), _) => Self::Container(container),
            (None, Some(cgroup)) => Self::Cgroup(cgroup),
            (None, None) => Self::UnknownCgroup,
        }
    }
}

impl fmt::Display for EventGroup<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notes => out.write_str("changes"),
            Self::Unit(unit) => write!(out, "unit {unit}"),
            Self::Container(container) => write!(out, "container {container}"),
            Self::Cgroup(cgroup) => write!(out, "cgroup {}", cgroup.display()),
            Self::UnknownCgroup => out.write_str("removed cgroups"),
        }
    }
}

impl EventRecord {
    /// Returns whether both events are of the same rule, verdict and group.
    pub(crate) fn has_rule_of(&self, other: &Self) -> bool {
        self.verdict == other.verdict
            && self.reason == other.reason
            && EventGroup::of(self) == EventGroup::of(other)
    }
}
