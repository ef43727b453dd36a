//! The policy in the maps.

use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use enforcer_common::layout::{
    AddressGrant, Deadline, MAX_LEVEL, ScopedAddress, Settings, Switches,
};
use enforcer_common::tables::interval::{self, Row, Rows};
use enforcer_common::tables::stride::{self, Blocks};
use enforcer_common::{Address, Class, Exception, PolicyView};

use crate::maps::{
    ALLOWED, BlockMap, DNS_ADDRESSES, EXC_ADDRESSES, EXC_CGROUPS, EXC_PREFIXES, NAME_ADDRESSES,
    PROTECTED_V4, PROTECTED_V6, RowMap, SETTINGS,
};
use crate::trace::{self, Step};

/// Whether denials are only reported. Unreadable settings mean enforcement.
#[inline(always)]
pub(crate) fn audits() -> bool {
    settings().switches.audits()
}

#[inline(always)]
pub(crate) fn settings() -> Settings {
    SETTINGS.get(0).copied().unwrap_or_default()
}

/// Source of the cgroup that exceptions are looked up for: a packet's socket or the current process.
pub(crate) trait CgroupSource {
    /// [`exception_among`] its cgroup and that cgroup's ancestors.
    fn exception(&self, high: u64, low: u64) -> u32;
}

/// The policy in force for a socket or process.
pub(crate) struct KernelPolicy<'a, S>(pub(crate) &'a S);

impl<S: CgroupSource> PolicyView for KernelPolicy<'_, S> {
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
        let class = Class::from_code(code as u16);
        trace::step(Step::Class(address, class));
        class
    }

    #[inline(always)]
    fn is_allowed(&self, address: Address) -> bool {
        let [high, low] = halves(address);
        let is_allowed = is_allowed(high, low) != 0;
        trace::step(Step::AllowedName(address, is_allowed));
        is_allowed
    }

    #[inline(always)]
    fn exception(&self, address: Address) -> Option<Exception> {
        let [high, low] = halves(address);
        let exception = match self.0.exception(high, low) {
            BY_PREFIX => Some(Exception::Prefix),
            BY_NAME => Some(Exception::Name),
            _ => None,
        };
        trace::step(Step::Exception(address, exception));
        exception
    }
}

/// How an exception covers an address, as a return value of functions with numeric arguments; any other value is no exception.
const BY_PREFIX: u32 = 1;
const BY_NAME: u32 = 2;

/// How an exception for one of the cgroups that `ancestor` returns by level covers an address.
#[inline(always)]
pub(crate) fn exception_among(ancestor: impl Fn(i32) -> u64, high: u64, low: u64) -> u32 {
    let covered = first_scope(ancestor, |cgroup| {
        let covered = exception_of(cgroup, high, low);
        (covered != 0).then_some(covered)
    });
    covered.unwrap_or(0)
}

/// First result of `found` for a cgroup with exceptions, among those that `ancestor` returns by level.
#[inline(always)]
pub(crate) fn first_scope<T>(
    ancestor: impl Fn(i32) -> u64,
    found: impl Fn(u64) -> Option<T>,
) -> Option<T> {
    const { assert!(MAX_LEVEL == 16) };
    let deepest = settings().exception_level;
    // Unrolled: Linux 5.10 would keep the verifier states of each level apart.
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

/// Deadline of a grant from a DNS answer, if it is in the future.
#[inline(always)]
fn snooped(grant: &AddressGrant) -> Option<Deadline> {
    // SAFETY: a deadline that changes while it is read is the old or the new one.
    let deadline = unsafe { DNS_ADDRESSES.get(grant) }.map(|snooped| snooped.deadline);
    deadline.filter(|deadline| is_ahead(*deadline))
}

// The verifier checks a function with an exported name once, for all arguments, instead of on every path that calls it (Linux 5.6; older kernels
// treat it as inlined). Arguments and result must be numbers.

/// Code of the class of an IPv4 address.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn class_of_v4(address: u32) -> u32 {
    let class = match PROTECTED_V4.get(0) {
        Some(blocks) => stride::lookup(&Generation(blocks), address),
        None => Class::Unknown,
    };
    class.code() as u32
}

/// Code of the class of an IPv6 address.
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
pub(crate) extern "C" fn exception_of(cgroup: u64, high: u64, low: u64) -> u32 {
    let key = ScopedAddress::new(cgroup, joined(high, low).key());
    // SAFETY: a deadline that changes while it is read is the old or the new one.
    let named = unsafe { EXC_ADDRESSES.get(&key) }.copied();
    let prefixed = EXC_PREFIXES
        .get(&Key::new(ScopedAddress::BITS, key))
        .copied();
    if prefixed.is_some_and(is_ahead) {
        return BY_PREFIX;
    }
    if named.is_some_and(is_ahead) || snooped(&by_any_name(cgroup, high, low)).is_some() {
        return BY_NAME;
    }
    0
}

/// Whether an allowed name leads to an address (1 or 0).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn is_allowed(high: u64, low: u64) -> u32 {
    // SAFETY: the value is not read.
    let allowed = || unsafe { ALLOWED.get(&joined(high, low).key()) }.is_some();
    // Again at the end: the daemon may move an address from one map to the other between the first two look-ups.
    u32::from(allowed() || snooped(&by_any_name(0, high, low)).is_some() || allowed())
}

/// Deadline of an address's grant to `cgroup` by one of two names, whose numbers are the halves of `names`; 0 without a grant.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn grant_deadline(cgroup: u64, high: u64, low: u64, names: u64) -> u64 {
    let address = joined(high, low).key();
    for name in [(names >> 32) as u32, names as u32] {
        if name == 0 {
            continue;
        }
        let grant = AddressGrant::new(cgroup, address, name);
        // SAFETY: a deadline that changes while it is read is the old or the new one.
        let named = unsafe { NAME_ADDRESSES.get(&grant) }.copied();
        let named = named.filter(|deadline| is_ahead(*deadline));
        if let Some(deadline) = named.or_else(|| snooped(&grant)) {
            return deadline;
        }
    }
    0
}

#[inline(always)]
fn by_any_name(cgroup: u64, high: u64, low: u64) -> AddressGrant {
    AddressGrant::new(cgroup, joined(high, low).key(), AddressGrant::ADDRESS)
}

/// The halves of an address.
#[inline(always)]
pub(crate) fn halves(address: Address) -> [u64; 2] {
    let bits = address.bits();
    [(bits >> 64) as u64, bits as u64]
}

/// The address with these halves.
#[inline(always)]
pub(crate) fn joined(high: u64, low: u64) -> Address {
    Address::from_v6((high as u128) << 64 | low as u128)
}

/// One family's table when the look-up began. Reading the outer map at each step could mix two tables during a switch, and take an entry of one for
/// an index into the other.
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
