//! What DNS answers bring in, and how much of it for each cgroup that asks.

#[cfg(doc)]
use super::{BUDGET_SLOTS, BUDGETS, LEARNED, Opening};
use super::{Deadline, MAX_LEARNED};

/// Entries of [`LEARNED`] that the answers to one cgroup can bring in: 256 addresses of one name. The newest replaces the oldest.
pub const BUDGET: u32 = 512;
/// Entries of [`BUDGETS`].
pub const MAX_BUDGETS: u32 = 1024;
/// Entries of [`BUDGET_SLOTS`].
pub const MAX_BUDGET_SLOTS: u32 = MAX_LEARNED;
/// How many cgroups an entry of [`LEARNED`] remembers that brought it in. It goes when the last of them needs its place.
pub const MAX_ASKERS: usize = 4;

/// What is known of an opening that a DNS answer brought in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Learned {
    /// When it ends.
    pub deadline: Deadline,
    /// The cgroups whose sockets received such answers, those first that were first; 0 for none.
    pub askers: [u64; MAX_ASKERS],
}

/// A place in the budget of a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct BudgetSlot {
    /// The cgroup id.
    pub cgroup: u64,
    /// Below [`BUDGET`].
    pub slot: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = {
    assert!(size_of::<Learned>() == 40);
    assert!(size_of::<BudgetSlot>() == 16);
    assert!(BUDGET.is_power_of_two());
};
