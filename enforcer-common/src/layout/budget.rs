//! Grants from DNS answers, and the budget of each querying cgroup.

use super::names::Deadline;
#[cfg(doc)]
use super::{AddressGrant, BUDGET_SLOTS, BUDGETS, DNS_ADDRESSES};

/// Entries of [`DNS_ADDRESSES`] that answers to one cgroup can add: 256 addresses of one name. The newest replaces the oldest.
pub const BUDGET: u32 = 512;
/// Entries of [`DNS_ADDRESSES`]: 16 cgroups can use their whole budget at a time, until the daemon takes over.
pub const MAX_DNS_ADDRESSES: u32 = 16 * BUDGET;
/// Entries of [`BUDGETS`].
pub const MAX_BUDGETS: u32 = 1024;
/// Entries of [`BUDGET_SLOTS`].
pub const MAX_BUDGET_SLOTS: u32 = MAX_DNS_ADDRESSES;
/// Claims that an entry of [`DNS_ADDRESSES`] records. It is removed when the last claimant needs its slot.
pub const MAX_CLAIMS: usize = 4;

/// A grant from a DNS answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct SnoopedGrant {
    /// When it ends.
    pub deadline: Deadline,
    /// Cgroups whose sockets received such answers, in order; 0 for none.
    pub claims: [u64; MAX_CLAIMS],
}

/// A slot in the budget of a cgroup.
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
    assert!(size_of::<SnoopedGrant>() == 40);
    assert!(size_of::<BudgetSlot>() == 16);
    assert!(BUDGET.is_power_of_two());
};
