//! The part of the policy that the TLS check reads.

use crate::layout::{Deadline, NameEntry, NameKey, VERSION};

/// Whether a grant that was looked up earlier still counts.
pub trait GrantValidity {
    /// [`crate::layout::Settings::epoch`].
    fn epoch(&self) -> u64;

    /// Whether a deadline is in the future.
    fn is_ahead(&self, deadline: Deadline) -> bool;
}

/// The allowed names, for one address and one socket.
pub trait NamePolicy: GrantValidity {
    /// The entry of [`crate::layout::NAMES`].
    fn entry(&self, key: &NameKey) -> Option<NameEntry>;

    /// The grant of the address to one of the names, by number; 0 is no name.
    fn grant(&self, names: [u32; 2]) -> Option<Grant>;

    /// Whether denials are only reported.
    fn audits(&self) -> bool;

    /// The layout version of the policy: during a hand-over, two of them judge each packet.
    #[inline(always)]
    fn version(&self) -> u32 {
        VERSION
    }
}

/// The scope and the end of an address's grant by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The cgroup of the exception; 0 for every cgroup.
    pub cgroup: u64,
    /// When it ends.
    pub deadline: Deadline,
}
