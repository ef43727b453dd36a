//! What DNS answers bring in, within the budget of the cgroup that asked: the newest replaces the oldest, so that a flood of forged answers
//! displaces only what its own cgroup brought in.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::bpf_skb_cgroup_id;
use enforcer_common::layout::{BUDGET, BudgetSlot, Deadline, Learned, MAX_ASKERS, Opening};

use crate::maps::{BUDGET_SLOTS, BUDGETS, LEARNED};
use crate::packet::Packet;
use crate::scratch::{INWARD, scratch};
use crate::view::{is_ahead, joined};

/// The cgroup of the packet's socket.
#[inline(always)]
pub(crate) fn cgroup_of(packet: &Packet<'_>) -> u64 {
    // SAFETY: the context is the kernel's for the length of the program.
    unsafe { bpf_skb_cgroup_id(packet.0.as_ptr().cast()) }
}

/// Opens an address for `scope` by `name`, until `deadline` at least, for the cgroup that the message in the inward scratch came to; 0 where
/// there is no room. Exported for the verifier's sake, as [`crate::view`] says.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn extend(
    scope: u64,
    high: u64,
    low: u64,
    name: u32,
    deadline: Deadline,
) -> u32 {
    let Some(asker) = scratch(INWARD).map(|scratch| scratch.cgroup.get()) else {
        return 0;
    };
    let opening = Opening::new(scope, joined(high, low).key(), name);
    if let Some(learned) = LEARNED.get_ptr_mut(&opening) {
        // SAFETY: entries stay readable for the length of the program; two who write at once lose an asker or a later end at worst.
        let learned = unsafe { &mut *learned };
        // One that is over is taken as gone: whoever brought it in claims it no more.
        if is_ahead(learned.deadline) {
            if learned.deadline < deadline {
                learned.deadline = deadline;
            }
            if claim(learned, asker) {
                charge(asker, &opening);
            }
            return 1;
        }
    }
    charge(asker, &opening);
    let mut learned = Learned {
        deadline,
        askers: [0; MAX_ASKERS],
    };
    learned.askers[0] = asker;
    LEARNED.insert(&opening, &learned, 0).is_ok() as u32
}

/// Enters `asker`, unless it is there or there is no place; whether it is new.
#[inline(always)]
fn claim(learned: &mut Learned, asker: u64) -> bool {
    const { assert!(MAX_ASKERS == 4) };
    let [first, second, third, fourth] = &mut learned.askers;
    if *first == asker || *second == asker || *third == asker || *fourth == asker {
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
    *place = asker;
    true
}

/// Takes the next place in the budget of `asker` for `opening`; what was there goes, unless another cgroup brought it in, too.
#[inline(always)]
fn charge(asker: u64, opening: &Opening) {
    // SAFETY: two who take a place at once may take the same: one of them is charged nothing.
    let next = unsafe { BUDGETS.get(&asker) }.copied().unwrap_or(0);
    let _may_fail = BUDGETS.insert(&asker, &next.wrapping_add(1), 0);
    let slot = BudgetSlot {
        cgroup: asker,
        slot: next % BUDGET,
        reserved: 0,
    };
    // SAFETY: as above.
    if let Some(oldest) = unsafe { BUDGET_SLOTS.get(&slot) }.copied() {
        release(asker, &oldest);
    }
    let _may_fail = BUDGET_SLOTS.insert(&slot, opening, 0);
}

/// Ends the claim of `asker`; an opening that nobody claims goes.
#[inline(always)]
fn release(asker: u64, opening: &Opening) {
    let Some(learned) = LEARNED.get_ptr_mut(opening) else {
        return;
    };
    // SAFETY: as in `extend`.
    let askers = unsafe { &mut (*learned).askers };
    let mut claims = 0;
    let mut was_claimed = false;
    for place in askers {
        if *place == asker {
            *place = 0;
            was_claimed = true;
        }
        claims |= *place;
    }
    // What it does not claim came in anew since, for others.
    if was_claimed && claims == 0 {
        let _is_there = LEARNED.remove(opening);
    }
}
