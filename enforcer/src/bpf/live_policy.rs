//! The policy in the live maps, read from user space: for `explain --unit`, and if no test run is possible.

use aya::maps::lpm_trie::Key;
use enforcer_common::layout::{
    ANY_SCOPE, AddressGrant, Deadline, NameEntry, NameKey, ScopedAddress, Switches,
};
use enforcer_common::tables::interval::{self, Row, Rows};
use enforcer_common::tables::stride::{self, Blocks};
use enforcer_common::{Address, Class, Exception, PolicyView};

use super::maps::{BlockMap, Maps, RowMap};
use crate::sys::{KernelError, boot_clock};

/// The live maps, for a process in the given cgroups.
pub struct LivePolicy<'a> {
    maps: &'a Maps,
    blocks: BlockMap,
    rows: RowMap,
    switches: Switches,
    cgroups: Vec<u64>,
    now: u64,
}

impl<'a> LivePolicy<'a> {
    /// The policy at network devices for packets without a socket.
    ///
    /// # Errors
    /// If the maps cannot be read.
    pub fn without_socket(maps: &'a Maps) -> Result<Self, KernelError> {
        Self::new(maps, vec![ANY_SCOPE])
    }

    /// The policy for a process whose cgroup and ancestors have the ids `cgroups`, outermost first.
    ///
    /// # Errors
    /// If the maps cannot be read.
    pub fn new(maps: &'a Maps, cgroups: Vec<u64>) -> Result<Self, KernelError> {
        let what = "read the protected set";
        Ok(Self {
            blocks: maps
                .protected_v4
                .get(&0, 0)
                .map_err(KernelError::failed(what))?,
            rows: maps
                .protected_v6
                .get(&0, 0)
                .map_err(KernelError::failed(what))?,
            switches: maps.settings()?.switches,
            cgroups,
            now: boot_clock(),
            maps,
        })
    }
}

impl PolicyView for LivePolicy<'_> {
    fn switches(&self) -> Switches {
        self.switches
    }

    fn class(&self, address: Address) -> Class {
        match address.v4() {
            Some(address) => stride::lookup(self, address),
            None => interval::lookup(self, address),
        }
    }

    fn is_allowed(&self, address: Address) -> bool {
        self.maps.allowed.get(&address.key(), 0).is_ok() || self.is_snooped(0, address)
    }

    fn exception(&self, address: Address) -> Option<Exception> {
        self.cgroups_with_exceptions().find_map(|cgroup| {
            let key = ScopedAddress::new(cgroup, address.key());
            let prefix = self
                .maps
                .prefixes
                .get(&Key::new(ScopedAddress::BITS, key), 0);
            if prefix.is_ok_and(|deadline| self.is_ahead(deadline)) {
                return Some(Exception::Prefix);
            }
            let name = self.maps.addresses.get(&key, 0);
            let named = name.is_ok_and(|deadline| self.is_ahead(deadline))
                || self.is_snooped(cgroup, address);
            named.then_some(Exception::Name)
        })
    }
}

impl LivePolicy<'_> {
    /// The entry of a name.
    pub(super) fn name(&self, key: &NameKey) -> Option<NameEntry> {
        self.maps.names.get(key, 0).ok()
    }

    /// Deadline of the grant of `address` to `cgroup` by one of `names`, if it is in the future; 0 is no name.
    pub(super) fn bound(&self, cgroup: u64, address: Address, names: [u32; 2]) -> Option<Deadline> {
        let mut names = names.into_iter().filter(|name| *name != 0);
        names.find_map(|name| {
            let grant = AddressGrant::new(cgroup, address.key(), name);
            let ahead = |deadline: &Deadline| self.is_ahead(*deadline);
            let bound = self.maps.name_addresses.get(&grant, 0).ok().filter(ahead);
            bound.or_else(|| self.snooped(&grant).filter(ahead))
        })
    }

    /// The cgroups that have exceptions, outermost first; without a socket, the union of them.
    pub(super) fn cgroups_with_exceptions(&self) -> impl Iterator<Item = u64> {
        let has_exceptions =
            |cgroup: &u64| *cgroup == ANY_SCOPE || self.maps.cgroups.get(cgroup, 0).is_ok();
        self.cgroups.iter().copied().filter(has_exceptions)
    }

    pub(super) fn is_ahead(&self, deadline: Deadline) -> bool {
        self.now < deadline
    }

    pub(super) fn audits(&self) -> bool {
        self.switches.audits()
    }

    fn is_snooped(&self, cgroup: u64, address: Address) -> bool {
        let grant = AddressGrant::new(cgroup, address.key(), AddressGrant::ADDRESS);
        self.snooped(&grant)
            .is_some_and(|deadline| self.is_ahead(deadline))
    }

    fn snooped(&self, grant: &AddressGrant) -> Option<Deadline> {
        let snooped = self.maps.dns_addresses.get(grant, 0).ok()?;
        Some(snooped.deadline)
    }
}

impl Blocks for LivePolicy<'_> {
    fn entry(&self, block: u32, index: u8) -> Option<u16> {
        let block = self.blocks.get(&block, 0).ok()?;
        Some(block[usize::from(index)])
    }
}

impl Rows for LivePolicy<'_> {
    fn row(&self, index: u32) -> Option<Row> {
        self.rows.get(&index, 0).ok()
    }
}
