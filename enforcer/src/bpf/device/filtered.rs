//! The devices that have filters, without a daemon that reports them.

use aya::maps::{HashMap, MapData};
use enforcer_common::layout::{DEVICES, Device, DeviceMode};

use super::OwnFilters;
use crate::bpf::Pins;
use crate::bpf::maps::typed;
use crate::core::FoundFilter;
use crate::sys::KernelError;

/// Lists the devices of this process's network namespace that have filters of the instance with these pins, with what happens to frames that they deny.
///
/// # Errors
/// If the kernel does not list them, or the map of devices cannot be opened.
pub(crate) fn filtered_devices(pins: &Pins) -> Result<Vec<(String, DeviceMode)>, KernelError> {
    let mut found = OwnFilters::of(pins.base()).list(None)?;
    found.retain(|device| device.filters.egress != FoundFilter::Missing);
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let devices: HashMap<MapData, u32, Device> = typed(pins, DEVICES)?;
    let mode = |index: u32| match devices.get(&index, 0) {
        Ok(device) if device.mode == DeviceMode::Audit as u32 => DeviceMode::Audit,
        // A device without an entry denies everything.
        Ok(_) | Err(_) => DeviceMode::Enforce,
    };
    let found = found.into_iter();
    Ok(found
        .map(|device| (device.name, mode(device.index)))
        .collect())
}
