//! The policy as the maps hold it.

use core::hint::black_box;

use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use enforcer_common::interval::{self, Row, Rows};
use enforcer_common::layout::{AddressKey, Deadline, MAX_LEVEL, ScopedAddress, Settings, Switches};
use enforcer_common::stride::{self, Blocks};
use enforcer_common::{Address, Class, Exception, PolicyView};

use crate::maps::{
    ALLOWED, EXC_ADDRESSES, EXC_CGROUPS, EXC_PREFIXES, PROTECTED_V4, PROTECTED_V6, SETTINGS,
};

/// Whether denials are only reported. Unknown means that they are enforced.
#[inline(always)]
pub(crate) fn audits() -> bool {
    settings().switches.audits()
}

#[inline(always)]
fn settings() -> Settings {
    SETTINGS.get(0).copied().unwrap_or_default()
}

/// `code`, of which the verifier no longer knows the value. It would otherwise follow every code on a path of its own through all that
/// comes after, and a program that is judged for a second at each start would be refused by older kernels for its length.
#[inline(always)]
pub(crate) fn opaque(code: u32) -> u32 {
    let unknown = settings().generation as u32;
    code.wrapping_add(unknown.wrapping_sub(black_box(unknown)))
}

/// Where a socket or process stands in the cgroup tree.
pub(crate) trait Ancestry {
    /// The id of its ancestor at `level` (the root is 0), itself included; 0 below its own level.
    fn ancestor(&self, level: u32) -> u64;
}

/// The policy in force, for a socket or process.
pub(crate) struct KernelPolicy<'a, A>(pub(crate) &'a A);

impl<A: Ancestry> PolicyView for KernelPolicy<'_, A> {
    #[inline(always)]
    fn switches(&self) -> Switches {
        settings().switches
    }

    #[inline(always)]
    fn class(&self, address: Address) -> Class {
        match address.v4() {
            Some(address) => stride::lookup(&LiveBlocks, address),
            None => interval::lookup(&LiveRows, address),
        }
    }

    #[inline(always)]
    fn is_allowed(&self, address: Address) -> bool {
        // SAFETY: the value is not read.
        unsafe { ALLOWED.get(&address.key()) }.is_some()
    }

    #[inline(always)]
    fn exception(&self, address: Address) -> Option<Exception> {
        let deepest = settings().exception_level;
        let key = address.key();
        for level in 1..=MAX_LEVEL {
            if level > deepest {
                return None;
            }
            let cgroup = self.0.ancestor(level);
            // SAFETY: the value is not read.
            let has_exceptions = unsafe { EXC_CGROUPS.get(&cgroup) }.is_some();
            if has_exceptions && let Some(exception) = covers(cgroup, key) {
                return Some(exception);
            }
        }
        None
    }
}

#[inline(always)]
fn covers(cgroup: u64, address: AddressKey) -> Option<Exception> {
    let key = ScopedAddress::new(cgroup, address);
    // SAFETY: a deadline that changes while it is read ends early or late by what it was changed by.
    let named = unsafe { EXC_ADDRESSES.get(&key) }.copied();
    let prefixed = EXC_PREFIXES
        .get(&Key::new(ScopedAddress::BITS, key))
        .copied();
    if prefixed.is_some_and(is_ahead) {
        return Some(Exception::Prefix);
    }
    named.is_some_and(is_ahead).then_some(Exception::Name)
}

#[inline(always)]
fn is_ahead(deadline: Deadline) -> bool {
    // SAFETY: the helper takes no pointer.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    now < deadline
}

struct LiveBlocks;

impl Blocks for LiveBlocks {
    #[inline(always)]
    fn entry(&self, block: u32, index: u8) -> Option<u16> {
        let block = PROTECTED_V4.get_value(0, &block)?;
        Some(block[index as usize])
    }
}

struct LiveRows;

impl Rows for LiveRows {
    #[inline(always)]
    fn row(&self, index: u32) -> Option<Row> {
        PROTECTED_V6.get_value(0, &index).copied()
    }
}
