//! The state of connections, which versions share: verified ones go on over a hand-over.

use aya::maps::{MapData, MapType};
use enforcer_common::layout::{
    DEVICE_CLAIMS, DEVICE_FLOW_RING, DEVICE_FLOWS, DEVICE_HELLOS, DEVICE_SYNS, DeviceFlowKey,
    FLOWS, MAX_DEVICE_CLAIMS, MAX_DEVICE_FLOWS, MAX_DEVICE_HELLOS, MAX_DEVICE_SYNS, OpeningFlow,
    RING_SLOTS, VerifiedFlow,
};
use enforcer_common::tls::{FlowState, PartialFlow};

use super::Pins;
use super::handover::Version;
use crate::sys::KernelError;

/// Layout of a shared map: its type, and the sizes of keys, of values and of the map.
#[derive(Debug, PartialEq)]
struct Shape {
    map_type: MapType,
    key: usize,
    value: usize,
    entries: u32,
}

impl Pins {
    /// Takes over the state of connections from another version: from one that judges, if there is one.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn share_connections(&self) -> Result<(), KernelError> {
        if self.have_links() {
            return Ok(());
        }
        let mut others = self.others()?;
        others.sort_by_key(|version| !version.judges());
        for group in [&[FLOWS][..], &DEVICE_CONNECTIONS] {
            let Some(maps) = others.iter().find_map(|version| shared(version, group)) else {
                continue;
            };
            for (name, map) in maps {
                self.forget_map(name)?;
                let what = "take over the state of connections";
                map.pin(self.map(name)).map_err(KernelError::failed(what))?;
            }
        }
        Ok(())
    }
}

/// Connections without a socket. Slots of the ring belong to entries of the others.
const DEVICE_CONNECTIONS: [&str; 5] = [
    DEVICE_SYNS,
    DEVICE_HELLOS,
    DEVICE_FLOWS,
    DEVICE_FLOW_RING,
    DEVICE_CLAIMS,
];

/// The maps of a version with these names; `None` if it lacks one, or has one of another layout.
fn shared(version: &Version, names: &[&'static str]) -> Option<Vec<(&'static str, MapData)>> {
    let maps = names.iter().map(|name| {
        let map = version.map(name)?;
        (shape(&map)? == expected(name)?).then_some((*name, map))
    });
    maps.collect()
}

fn shape(map: &MapData) -> Option<Shape> {
    let info = map.info().ok()?;
    Some(Shape {
        map_type: info.map_type().ok()?,
        key: info.key_size().try_into().ok()?,
        value: info.value_size().try_into().ok()?,
        entries: info.max_entries(),
    })
}

/// The layout of this version's map; `None` for maps that versions do not share.
fn expected(name: &str) -> Option<Shape> {
    let of_connections = |map_type, value, entries| Shape {
        map_type,
        key: size_of::<DeviceFlowKey>(),
        value,
        entries,
    };
    Some(match name {
        FLOWS => Shape {
            map_type: MapType::SkStorage,
            key: size_of::<u32>(),
            value: size_of::<FlowState>(),
            entries: 0,
        },
        DEVICE_SYNS => of_connections(MapType::LruHash, size_of::<OpeningFlow>(), MAX_DEVICE_SYNS),
        DEVICE_HELLOS => of_connections(MapType::Hash, size_of::<PartialFlow>(), MAX_DEVICE_HELLOS),
        DEVICE_FLOWS => of_connections(MapType::Hash, size_of::<VerifiedFlow>(), MAX_DEVICE_FLOWS),
        DEVICE_CLAIMS => of_connections(MapType::Hash, size_of::<u32>(), MAX_DEVICE_CLAIMS),
        DEVICE_FLOW_RING => Shape {
            map_type: MapType::Array,
            key: size_of::<u32>(),
            value: size_of::<DeviceFlowKey>(),
            entries: RING_SLOTS,
        },
        _ => return None,
    })
}
