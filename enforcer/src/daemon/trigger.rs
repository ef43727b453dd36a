//! Triggers: the events that wake the loop of the daemon.

use enforcer_common::Record;

use super::watch_kind::WatchKind;
use crate::core::Reply;
use crate::sources::Fetched;
use crate::sys::KernelError;

/// A cause for the loop to wake up.
pub(super) enum Trigger {
    /// A timed action is due.
    Due,
    /// A lookup ended.
    Answer(Box<Reply>),
    /// The kernel reported denials or DNS observations.
    Records(Vec<Record>),
    /// The host's addresses changed.
    Addresses,
    /// Cgroups that the configuration names may have changed.
    Cgroups,
    /// The wall clock was set.
    Clock,
    /// Files that the configuration names may have changed.
    Files,
    /// A fetch ended.
    Fetched(Box<Fetched>),
    /// Network devices or their filters changed.
    Devices,
    /// IPsec policies changed.
    Ipsec,
    /// Hooks or pins may be gone.
    Hooks,
    /// `SIGHUP`.
    Reload,
    /// A watch failed.
    Failed(WatchKind, KernelError),
}

impl Trigger {
    /// Returns the trigger of a watch's report, or of its failure.
    pub(super) fn of<T>(
        reported: Result<T, (WatchKind, KernelError)>,
        trigger: impl FnOnce(T) -> Self,
    ) -> Self {
        match reported {
            Ok(reported) => trigger(reported),
            Err((kind, error)) => Self::Failed(kind, error),
        }
    }
}
