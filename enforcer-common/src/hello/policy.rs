//! What is asked of the policy.

use crate::layout::{Deadline, NameEntry, NameKey};

/// What may end what was verified.
pub trait Policy {
    /// [`crate::layout::Settings::epoch`].
    fn epoch(&self) -> u64;

    /// Whether a deadline is still ahead.
    fn is_ahead(&self, deadline: Deadline) -> bool;
}

/// What is known of names, for the address and the socket at hand.
pub trait Names: Policy {
    /// The entry of [`crate::layout::NAMES`].
    fn entry(&self, key: &NameKey) -> Option<NameEntry>;

    /// For whom one of the names is bound to the address, and until when. A number of 0 is no name.
    fn binding(&self, names: [u32; 2]) -> Option<Binding>;

    /// Whether denials are only reported.
    fn audits(&self) -> bool;
}

/// For whom a name leads to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The cgroup of the exception; 0 for everybody.
    pub cgroup: u64,
    /// When it ends.
    pub deadline: Deadline,
}
