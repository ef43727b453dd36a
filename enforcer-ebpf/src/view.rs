//! The policy as the maps hold it.

use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use enforcer_common::interval::{self, Row, Rows};
use enforcer_common::layout::{Deadline, MAX_LEVEL, Opening, ScopedAddress, Settings, Switches};
use enforcer_common::stride::{self, Blocks};
use enforcer_common::{Address, Class, Exception, PolicyView};

use crate::maps::{
    ALLOWED, BOUND, BlockMap, EXC_ADDRESSES, EXC_CGROUPS, EXC_PREFIXES, LEARNED, PROTECTED_V4,
    PROTECTED_V6, RowMap, SETTINGS,
};

/// Whether denials are only reported. Unknown means that they are enforced.
#[inline(always)]
pub(crate) fn audits() -> bool {
    settings().switches.audits()
}

#[inline(always)]
pub(crate) fn settings() -> Settings {
    SETTINGS.get(0).copied().unwrap_or_default()
}

/// Whose cgroup counts: a packet's or a process's.
pub(crate) trait Subject {
    /// [`exception_among`] its cgroup and that one's ancestors.
    fn exception(&self, high: u64, low: u64) -> u32;
}

/// The policy in force, for a socket or process.
pub(crate) struct KernelPolicy<'a, S>(pub(crate) &'a S);

impl<S: Subject> PolicyView for KernelPolicy<'_, S> {
    #[inline(always)]
    fn switches(&self) -> Switches {
        settings().switches
    }

    #[inline(always)]
    fn class(&self, address: Address) -> Class {
        let code = match address.v4() {
            Some(address) => class_of_v4(address),
            None => {
                let [high, low] = halves(address);
                class_of_v6(high, low)
            }
        };
        Class::from_code(code as u16)
    }

    #[inline(always)]
    fn is_allowed(&self, address: Address) -> bool {
        let [high, low] = halves(address);
        is_open(high, low) != 0
    }

    #[inline(always)]
    fn exception(&self, address: Address) -> Option<Exception> {
        let [high, low] = halves(address);
        match self.0.exception(high, low) {
            BY_PREFIX => Some(Exception::Prefix),
            BY_NAME => Some(Exception::Name),
            _ => None,
        }
    }
}

/// How an exception covers an address, as functions with numbers for arguments say it; anything else is no exception.
const BY_PREFIX: u32 = 1;
const BY_NAME: u32 = 2;

/// How an exception for one of the cgroups that `ancestor` names, by their level, covers an address.
#[inline(always)]
pub(crate) fn exception_among(ancestor: impl Fn(i32) -> u64, high: u64, low: u64) -> u32 {
    let covered = first_scope(ancestor, |cgroup| {
        let covered = exception_of(cgroup, high, low);
        (covered != 0).then_some(covered)
    });
    covered.unwrap_or(0)
}

/// What `found` gives first, of the cgroups with exceptions among those that `ancestor` names by their level.
#[inline(always)]
pub(crate) fn first_scope<T>(
    ancestor: impl Fn(i32) -> u64,
    found: impl Fn(u64) -> Option<T>,
) -> Option<T> {
    const { assert!(MAX_LEVEL == 16) };
    let deepest = settings().exception_level;
    // Not in a loop: Linux 5.10 would keep apart all that led to each level.
    macro_rules! try_levels {
        ($($level:literal)*) => {
            $(
                if $level > deepest {
                    return None;
                }
                let cgroup = ancestor($level);
                // SAFETY: the value is not read.
                if unsafe { EXC_CGROUPS.get(&cgroup) }.is_some() {
                    let found = found(cgroup);
                    if found.is_some() {
                        return found;
                    }
                }
            )*
        };
    }
    try_levels!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    None
}

#[inline(always)]
pub(crate) fn is_ahead(deadline: Deadline) -> bool {
    if deadline == Deadline::MAX {
        return true;
    }
    // SAFETY: the helper takes no pointer.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    now < deadline
}

/// When what DNS answers opened ends, where that is ahead.
#[inline(always)]
fn learned(opening: &Opening) -> Option<Deadline> {
    // SAFETY: a deadline that changes while it is read ends early or late by what it was changed by.
    let deadline = unsafe { LEARNED.get(opening) }.map(|learned| learned.deadline);
    deadline.filter(|deadline| is_ahead(*deadline))
}

// The verifier judges a function with an exported name once, for all arguments, and not on every path that leads to it (Linux 5.6; older
// ones as if it were written in place). Arguments and result have to be numbers.

/// The code of the class of an IPv4 address.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn class_of_v4(address: u32) -> u32 {
    let class = match PROTECTED_V4.get(0) {
        Some(blocks) => stride::lookup(&Generation(blocks), address),
        None => Class::Unknown,
    };
    class.code() as u32
}

/// The code of the class of an IPv6 address.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn class_of_v6(high: u64, low: u64) -> u32 {
    let class = match PROTECTED_V6.get(0) {
        Some(rows) => interval::lookup(&Generation(rows), joined(high, low)),
        None => Class::Unknown,
    };
    class.code() as u32
}

/// How an exception of `cgroup` covers an address.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn exception_of(cgroup: u64, high: u64, low: u64) -> u32 {
    let key = ScopedAddress::new(cgroup, joined(high, low).key());
    // SAFETY: a deadline that changes while it is read ends early or late by what it was changed by.
    let named = unsafe { EXC_ADDRESSES.get(&key) }.copied();
    let prefixed = EXC_PREFIXES
        .get(&Key::new(ScopedAddress::BITS, key))
        .copied();
    if prefixed.is_some_and(is_ahead) {
        return BY_PREFIX;
    }
    if named.is_some_and(is_ahead) || learned(&anybody(cgroup, high, low)).is_some() {
        return BY_NAME;
    }
    0
}

/// Whether an allowed name leads to an address (1 or 0).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn is_open(high: u64, low: u64) -> u32 {
    // SAFETY: the value is not read.
    let allowed = || unsafe { ALLOWED.get(&joined(high, low).key()) }.is_some();
    // Once more at the end: the daemon takes over what was learned between the first look and the second.
    u32::from(allowed() || learned(&anybody(0, high, low)).is_some() || allowed())
}

/// Until when one of two names, whose numbers are the halves of `names`, is bound to an address for `cgroup`; 0 where neither is.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn binding_of(cgroup: u64, high: u64, low: u64, names: u64) -> u64 {
    let address = joined(high, low).key();
    for name in [(names >> 32) as u32, names as u32] {
        if name == 0 {
            continue;
        }
        let opening = Opening::new(cgroup, address, name);
        // SAFETY: a deadline that changes while it is read ends early or late by what it was changed by.
        let bound = unsafe { BOUND.get(&opening) }.copied();
        let bound = bound.filter(|deadline| is_ahead(*deadline));
        if let Some(deadline) = bound.or_else(|| learned(&opening)) {
            return deadline;
        }
    }
    0
}

#[inline(always)]
fn anybody(cgroup: u64, high: u64, low: u64) -> Opening {
    Opening::new(cgroup, joined(high, low).key(), Opening::ADDRESS)
}

/// An address as two numbers.
#[inline(always)]
pub(crate) fn halves(address: Address) -> [u64; 2] {
    let bits = address.bits();
    [(bits >> 64) as u64, bits as u64]
}

/// The address of two numbers.
#[inline(always)]
pub(crate) fn joined(high: u64, low: u64) -> Address {
    Address::from_v6((high as u128) << 64 | low as u128)
}

/// One family's table as it was when the look-up began. A look-up that asked the outer map at each step would read two tables where they
/// are switched meanwhile, and take an entry of the one for a place in the other.
struct Generation<'a, M>(&'a M);

impl Blocks for Generation<'_, BlockMap> {
    #[inline(always)]
    fn entry(&self, block: u32, index: u8) -> Option<u16> {
        let block = self.0.get(block)?;
        Some(block[index as usize])
    }
}

impl Rows for Generation<'_, RowMap> {
    #[inline(always)]
    fn row(&self, index: u32) -> Option<Row> {
        self.0.get(index).copied()
    }
}
