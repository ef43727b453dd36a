//! What the programs remember of connections without a socket, by device.

use aya::Pod;
use aya::maps::{HashMap, MapData};
use enforcer_common::layout::{
    DEVICE_FLOWS, DEVICE_HELLOS, DEVICE_SYNS, DeviceFlowKey, OpeningFlow, VerifiedFlow,
};
use enforcer_common::tls::PartialFlow;

use crate::bpf::Pins;
use crate::bpf::apply::remove;
use crate::bpf::maps::typed;
use crate::sys::KernelError;

/// A map of connections, whose values are not read.
type Connections<const SIZE: usize> = HashMap<MapData, DeviceFlowKey, [u8; SIZE]>;

/// Forgets the connections of a device that lacked a filter: meanwhile, nothing judged what they sent, or saw what servers answered.
///
/// # Errors
/// If a map cannot be read or written.
pub(super) fn forget_connections(pins: &Pins, device: u32) -> Result<(), KernelError> {
    let mut flows: Connections<{ size_of::<VerifiedFlow>() }> = typed(pins, DEVICE_FLOWS)?;
    let mut hellos: Connections<{ size_of::<PartialFlow>() }> = typed(pins, DEVICE_HELLOS)?;
    let mut syns: Connections<{ size_of::<OpeningFlow>() }> = typed(pins, DEVICE_SYNS)?;
    let forgotten = [
        forget_of(&mut flows, device),
        forget_of(&mut hellos, device),
        forget_of(&mut syns, device),
    ];
    forgotten.into_iter().fold(Ok(()), Result::and)
}

/// Removes as many entries as the kernel lets it. Programs remove some meanwhile, after which the kernel lists others again.
fn forget_of<V: Pod>(
    map: &mut HashMap<MapData, DeviceFlowKey, V>,
    device: u32,
) -> Result<(), KernelError> {
    let what = "list the connections of a network device that lacked a filter";
    let keys: Result<Vec<DeviceFlowKey>, _> = map.keys().collect();
    let mut keys = keys.map_err(KernelError::failed(what))?;
    keys.retain(|key| key.device == device);
    remove(map, &keys)
}
