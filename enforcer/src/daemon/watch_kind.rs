//! The kinds of watches.

use crate::core::AlarmKind;

/// Kind of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchKind {
    /// The ring buffer of denials and DNS observations.
    Events,
    /// The host's own addresses.
    Addresses,
    /// The wall clock being set.
    Clock,
    /// Cgroups that the configuration names.
    Cgroups,
    /// Files that the configuration names.
    Files,
    /// Network devices and their filters.
    Devices,
    /// IPsec policies.
    Ipsec,
    /// The pins of links and maps.
    Pins,
    /// The time to check the hooks.
    HookChecks,
}

impl WatchKind {
    /// All kinds.
    pub(super) const ALL: [Self; 9] = [
        Self::Events,
        Self::Addresses,
        Self::Clock,
        Self::Cgroups,
        Self::Files,
        Self::Devices,
        Self::Ipsec,
        Self::Pins,
        Self::HookChecks,
    ];

    /// Returns the kind of the alarm that is raised while the watch is closed.
    pub(super) const fn alarm(self) -> AlarmKind {
        match self {
            Self::Events => AlarmKind::EventsUnread,
            Self::Addresses => AlarmKind::AddressesUnwatched,
            Self::Clock => AlarmKind::ClockUnwatched,
            Self::Cgroups => AlarmKind::CgroupsUnwatched,
            Self::Files => AlarmKind::FilesUnwatched,
            Self::Devices => AlarmKind::DevicesUnwatched,
            Self::Ipsec => AlarmKind::IpsecUnwatched,
            Self::Pins => AlarmKind::PinsUnwatched,
            Self::HookChecks => AlarmKind::HooksUnchecked,
        }
    }

    /// Returns the consequence of a closed watch.
    pub(super) const fn consequence(self) -> &'static str {
        match self {
            Self::Events => "denials are counted by the kernel, and not reported",
            Self::Addresses => "new addresses of this host are not noticed",
            Self::Clock => "a clock that is set is noticed within a minute",
            Self::Cgroups => "units that start are noticed within a second",
            Self::Files => "endpoints and service tags are read again on reload only",
            Self::Devices => "new network devices are filtered within minutes, by a scan",
            Self::Ipsec => "new IPsec policies are not noticed",
            Self::Pins => "pins that go are noticed within seconds",
            Self::HookChecks => "hooks that are detached are noticed on a restart only",
        }
    }
}
