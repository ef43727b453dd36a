//! Grants from DNS answers, charged to the budget of the querying cgroup: the newest replaces the oldest, so that a flood of forged answers displaces
//! only grants of its own cgroup.

use enforcer_common::layout::{
    AddressGrant, BUDGET, BudgetSlot, Deadline, MAX_CLAIMS, SnoopedGrant,
};

use super::scratch::{INGRESS, scratch};
use crate::maps::{BUDGET_SLOTS, BUDGETS, DNS_ADDRESSES};
use crate::policy_maps::{is_ahead, joined};

/// Grants an address to `scope` by `name` until at least `deadline`, charged to the cgroup that received the message in the ingress scratch memory;
/// returns 0 if the map is full. Exported for the verifier: see [`crate::policy_maps`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn add_grant(
    scope: u64,
    high: u64,
    low: u64,
    name: u32,
    deadline: Deadline,
) -> u32 {
    let Some(claimant) = scratch(INGRESS).map(|scratch| scratch.cgroup.get()) else {
        return 0;
    };
    let grant = AddressGrant::new(scope, joined(high, low).key(), name);
    if let Some(snooped) = DNS_ADDRESSES.get_ptr_mut(&grant) {
        // SAFETY: entries stay readable for the length of the program; racing writers lose a claimant or a later deadline at worst.
        let snooped = unsafe { &mut *snooped };
        // An expired grant counts as absent, and so do its claims.
        if is_ahead(snooped.deadline) {
            if snooped.deadline < deadline {
                snooped.deadline = deadline;
            }
            if claim(snooped, claimant) {
                charge(claimant, &grant);
            }
            return 1;
        }
    }
    charge(claimant, &grant);
    let mut snooped = SnoopedGrant {
        deadline,
        claims: [0; MAX_CLAIMS],
    };
    snooped.claims[0] = claimant;
    DNS_ADDRESSES.insert(&grant, &snooped, 0).is_ok() as u32
}

/// Adds `claimant` unless it is there or there is no room; returns whether it was added.
#[inline(always)]
fn claim(snooped: &mut SnoopedGrant, claimant: u64) -> bool {
    const { assert!(MAX_CLAIMS == 4) };
    let [first, second, third, fourth] = &mut snooped.claims;
    if *first == claimant || *second == claimant || *third == claimant || *fourth == claimant {
        return false;
    }
    let place = if *first == 0 {
        first
    } else if *second == 0 {
        second
    } else if *third == 0 {
        third
    } else if *fourth == 0 {
        fourth
    } else {
        return false;
    };
    *place = claimant;
    true
}

/// Puts `grant` into the next slot of the budget of `claimant`; removes the grant in that slot unless another cgroup claims it as well.
#[inline(always)]
fn charge(claimant: u64, grant: &AddressGrant) {
    // SAFETY: racing CPUs may take the same slot: one of them is charged nothing.
    let next = unsafe { BUDGETS.get(&claimant) }.copied().unwrap_or(0);
    let _may_fail = BUDGETS.insert(&claimant, &next.wrapping_add(1), 0);
    let slot = BudgetSlot {
        cgroup: claimant,
        slot: next % BUDGET,
        reserved: 0,
    };
    // SAFETY: as above.
    if let Some(oldest) = unsafe { BUDGET_SLOTS.get(&slot) }.copied() {
        release(claimant, &oldest);
    }
    let _may_fail = BUDGET_SLOTS.insert(&slot, grant, 0);
}

/// Ends the claim of `claimant`; removes a grant without claims.
#[inline(always)]
fn release(claimant: u64, grant: &AddressGrant) {
    let Some(snooped) = DNS_ADDRESSES.get_ptr_mut(grant) else {
        return;
    };
    // SAFETY: as in `add_grant`.
    let claims = unsafe { &mut (*snooped).claims };
    let mut remaining = 0;
    let mut was_claimed = false;
    for place in claims {
        if *place == claimant {
            *place = 0;
            was_claimed = true;
        }
        remaining |= *place;
    }
    // A grant that it does not claim was added again since, for others.
    if was_claimed && remaining == 0 {
        let _is_there = DNS_ADDRESSES.remove(grant);
    }
}
