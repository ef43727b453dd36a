//! What can happen to the world of the core, and what can fail meanwhile.

/// Something that happens.
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
    /// Another configuration, or one that cannot be read.
    Reload(Option<usize>),
    LocalAddress(u8),
    CheckHooks {
        detached: bool,
    },
    Save,
}

/// What fails while an event is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    None,
    /// The kernel refuses a change, and nothing of it stays.
    Refused,
    /// A change stays in part.
    Partial,
    /// A change is refused, and the maps cannot be read.
    Unreadable,
    /// Everything but changes of policy.
    Elsewhere,
}
