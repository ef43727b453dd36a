//! The pinned maps, typed.

use aya::maps::{
    Array, ArrayOfMaps, HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray, RingBuf,
};
use enforcer_common::layout::{
    self, AddressGrant, AddressKey, Deadline, DedupEntry, DedupKey, NameCount, NameEntry, NameKey,
    ScopedAddress, Settings, SnoopedGrant, SuppressedKey,
};
use enforcer_common::tables::interval::Row;
use enforcer_common::tables::stride::Block;

use super::Pins;
use crate::sys::KernelError;

pub(super) type BlockMap = Array<MapData, Block>;
pub(super) type RowMap = Array<MapData, Row>;

/// All maps of a loaded policy except the ring buffer.
pub struct Maps {
    pub(super) settings: Array<MapData, Settings>,
    pub(super) protected_v4: ArrayOfMaps<MapData, BlockMap>,
    pub(super) protected_v6: ArrayOfMaps<MapData, RowMap>,
    pub(super) allowed: HashMap<MapData, AddressKey, NameCount>,
    pub(super) cgroups: HashMap<MapData, u64, u32>,
    pub(super) prefixes: LpmTrie<MapData, ScopedAddress, Deadline>,
    pub(super) addresses: HashMap<MapData, ScopedAddress, Deadline>,
    pub(super) denial_dedup: HashMap<MapData, DedupKey, DedupEntry>,
    pub(super) suppressed: HashMap<MapData, SuppressedKey, u64>,
    pub(super) counters: PerCpuArray<MapData, u64>,
    pub(super) names: HashMap<MapData, NameKey, NameEntry>,
    pub(super) name_addresses: HashMap<MapData, AddressGrant, Deadline>,
    pub(super) dns_addresses: HashMap<MapData, AddressGrant, SnoopedGrant>,
    pub(super) resolvers: HashMap<MapData, AddressKey, u32>,
    pub(super) dns_sockets: HashMap<MapData, u64, AddressKey>,
}

impl Maps {
    /// Opens the pinned maps.
    ///
    /// # Errors
    /// [`KernelError::NotLoaded`] if there are none.
    pub fn open(pins: &Pins) -> Result<Self, KernelError> {
        if !pins.are_loaded() {
            return Err(KernelError::NotLoaded {
                path: pins.base().to_owned(),
            });
        }
        Ok(Self {
            settings: typed(pins, layout::SETTINGS)?,
            protected_v4: typed(pins, layout::PROTECTED_V4)?,
            protected_v6: typed(pins, layout::PROTECTED_V6)?,
            allowed: typed(pins, layout::ALLOWED)?,
            cgroups: typed(pins, layout::EXCEPTION_CGROUPS)?,
            prefixes: typed(pins, layout::EXCEPTION_PREFIXES)?,
            addresses: typed(pins, layout::EXCEPTION_ADDRESSES)?,
            denial_dedup: typed(pins, layout::DENIAL_DEDUP)?,
            suppressed: typed(pins, layout::SUPPRESSED)?,
            counters: typed(pins, layout::COUNTERS)?,
            names: typed(pins, layout::NAMES)?,
            name_addresses: typed(pins, layout::NAME_ADDRESSES)?,
            dns_addresses: typed(pins, layout::DNS_ADDRESSES)?,
            resolvers: typed(pins, layout::RESOLVERS)?,
            dns_sockets: typed(pins, layout::DNS_SOCKETS)?,
        })
    }

    /// The settings in force.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn settings(&self) -> Result<Settings, KernelError> {
        self.settings
            .get(&0, 0)
            .map_err(KernelError::failed("read the settings"))
    }
}

/// Opens the pinned ring buffer.
pub(super) fn ring_buffer(pins: &Pins) -> Result<RingBuf<MapData>, KernelError> {
    typed(pins, layout::EVENTS)
}

pub(super) fn typed<T>(pins: &Pins, name: &str) -> Result<T, KernelError>
where
    T: TryFrom<Map, Error = MapError>,
{
    let what = || format!("open the map {name}");
    let data = MapData::from_pin(pins.map(name)).map_err(KernelError::failed(what()))?;
    let map = Map::from_map_data(data).map_err(KernelError::failed(what()))?;
    T::try_from(map).map_err(KernelError::failed(what()))
}
