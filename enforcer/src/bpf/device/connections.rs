//! What the programs remember of connections without a socket, by device.

use aya::Pod;
use aya::maps::{HashMap, MapData, MapError};
use enforcer_common::layout::{
    DEVICE_FLOWS, DEVICE_HELLOS, DEVICE_SYNS, DeviceFlowKey, OpeningFlow, VerifiedFlow,
};
use enforcer_common::tls::PartialFlow;

use crate::bpf::Pins;
use crate::bpf::maps::typed;
use crate::sys::KernelError;

/// A map of connections, whose values are not read.
type Connections<const SIZE: usize> = HashMap<MapData, DeviceFlowKey, [u8; SIZE]>;

/// Forgets the connections of a device that had no filter: nothing judged what they sent meanwhile.
///
/// # Errors
/// If a map cannot be read or written.
pub(super) fn forget_connections(pins: &Pins, device: u32) -> Result<(), KernelError> {
    let mut flows: Connections<{ size_of::<VerifiedFlow>() }> = typed(pins, DEVICE_FLOWS)?;
    let mut hellos: Connections<{ size_of::<PartialFlow>() }> = typed(pins, DEVICE_HELLOS)?;
    let mut syns: Connections<{ size_of::<OpeningFlow>() }> = typed(pins, DEVICE_SYNS)?;
    remove_of(&mut flows, device)
        .and_then(|()| remove_of(&mut hellos, device))
        .and_then(|()| remove_of(&mut syns, device))
        .map_err(KernelError::failed(
            "forget the connections of a network device that had no filter",
        ))
}

fn remove_of<V: Pod>(
    map: &mut HashMap<MapData, DeviceFlowKey, V>,
    device: u32,
) -> Result<(), MapError> {
    let keys: Vec<DeviceFlowKey> = map.keys().collect::<Result<_, _>>()?;
    for key in keys.iter().filter(|key| key.device == device) {
        match map.remove(key) {
            Ok(()) | Err(MapError::KeyNotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
