//! Actions on the simulated host, and failures while they are handled.

/// An action on the simulated host.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Answer {
        name: usize,
        addresses: u8,
        ttl: u64,
    },
    Fail {
        name: usize,
    },
    Observe {
        name: usize,
        address: usize,
    },
    Tick {
        seconds: u64,
        agent_runs: bool,
    },
    /// Reload of a configuration by index; `None` if it cannot be read.
    Reload(Option<usize>),
    LocalAddress(u8),
    CheckHooks {
        detached: bool,
    },
    Save,
    /// Root changes the mode in the maps.
    ChangeSettings,
}

/// A failure while an event is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    None,
    /// The kernel refuses a change, and it is rolled back.
    Refused,
    /// A change is applied in part.
    Partial,
    /// A change is refused, and the maps cannot be read.
    Unreadable,
    /// A change is applied in part, and the maps cannot be read.
    PartialUnreadable,
    /// Every effect except policy changes fails.
    Elsewhere,
}

impl Failure {
    /// Returns whether the maps cannot be read.
    pub(super) fn is_unreadable(self) -> bool {
        matches!(self, Self::Unreadable | Self::PartialUnreadable)
    }
}
