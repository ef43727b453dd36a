//! The policy in force as user space reads it from the live maps: for `explain --unit`, and where no test run can be made.

use aya::maps::lpm_trie::Key;
use enforcer_common::interval::{self, Row, Rows};
use enforcer_common::layout::{NameKey, Opening, ScopedAddress, Switches};
use enforcer_common::stride::{self, Blocks};
use enforcer_common::{Address, Class, Exception, PolicyView, Reason};
use nix::time::{ClockId, clock_gettime};

use super::KernelError;
use super::maps::{BlockMap, Maps, RowMap};
use crate::policy::name_key;

/// The live maps, seen from a process in the given cgroups.
pub struct LivePolicy<'a> {
    maps: &'a Maps,
    blocks: BlockMap,
    rows: RowMap,
    switches: Switches,
    cgroups: Vec<u64>,
    now: u64,
}

impl<'a> LivePolicy<'a> {
    /// The policy for a process whose cgroup and ancestors have the ids `cgroups`, outermost first.
    ///
    /// # Errors
    /// Where the maps cannot be read.
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

/// Nanoseconds since boot, as deadlines count them.
pub fn boot_clock() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).ok();
    // A clock that cannot be read is at its end: every exception is over.
    now.map_or(u64::MAX, |now| {
        let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
        seconds * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap_or(0)
    })
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
        self.maps.allowed.get(&address.key(), 0).is_ok() || self.has_learned(0, address)
    }

    fn exception(&self, address: Address) -> Option<Exception> {
        self.cgroups.iter().find_map(|cgroup| {
            self.maps.cgroups.get(cgroup, 0).ok()?;
            let key = ScopedAddress::new(*cgroup, address.key());
            let prefix = self
                .maps
                .prefixes
                .get(&Key::new(ScopedAddress::BITS, key), 0);
            if prefix.is_ok_and(|deadline| self.now < deadline) {
                return Some(Exception::Prefix);
            }
            let name = self.maps.addresses.get(&key, 0);
            let named = name.is_ok_and(|deadline| self.now < deadline)
                || self.has_learned(*cgroup, address);
            named.then_some(Exception::Name)
        })
    }
}

impl LivePolicy<'_> {
    /// What a handshake's server name makes of a verdict that `reason` allows for a name.
    pub fn server_name(&self, destination: Address, reason: Reason, server_name: &str) -> Reason {
        let opens = |name: u32| {
            let scopes = std::iter::once(&0).chain(&self.cgroups);
            let opening = |scope: &u64| Opening::new(*scope, destination.key(), name);
            scopes.map(opening).any(|opening| self.has(&opening))
        };
        if opens(Opening::ANY_NAME) {
            return reason;
        }
        let known = [name_key(server_name), wildcard_key(server_name)];
        let mut known = known
            .iter()
            .filter_map(|key| self.maps.names.get(key, 0).ok());
        match known.next() {
            Some(entry) if opens(entry.id) => reason,
            Some(_) => Reason::ServerNameElsewhere,
            None => Reason::ServerNameUnknown,
        }
    }

    fn has_learned(&self, cgroup: u64, address: Address) -> bool {
        let opening = Opening::new(cgroup, address.key(), Opening::ADDRESS);
        let deadline = self.maps.learned.get(&opening, 0);
        deadline.is_ok_and(|deadline| self.now < deadline)
    }

    fn has(&self, opening: &Opening) -> bool {
        let ahead = |deadline: Result<u64, _>| deadline.is_ok_and(|deadline| self.now < deadline);
        ahead(self.maps.bound.get(opening, 0)) || ahead(self.maps.learned.get(opening, 0))
    }
}

/// The key of the pattern that a name may match: any second label.
fn wildcard_key(name: &str) -> NameKey {
    let mut labels: Vec<&str> = name.split('.').collect();
    if let Some(second) = labels.get_mut(1) {
        *second = "*";
    }
    name_key(&labels.join("."))
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
