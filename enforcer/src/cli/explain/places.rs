//! The places that judge packets: sockets, and network devices with filters.

use std::fmt::{Display, Formatter};

use enforcer_common::layout::DeviceMode;
use serde::Serialize;

use crate::bpf::{Pins, filtered_devices};
use crate::core::{DeviceState, Status};
use crate::sys::KernelError;

/// Maximum number of devices named in the text.
const MAX_NAMES: usize = 8;

/// The places besides sockets that judge packets.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct Places {
    /// The network devices with filters.
    devices: Vec<JudgingDevice>,
}

/// A network device with filters.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct JudgingDevice {
    /// The name of the device.
    name: String,
    /// Whether they drop what they deny.
    state: DeviceState,
}

impl Places {
    /// Returns the places that the daemon reports, or the filters in this network namespace if none runs.
    ///
    /// # Errors
    /// If the kernel does not list the filters.
    pub(super) fn find(pins: &Pins, status: Option<&Status>) -> Result<Self, KernelError> {
        let found: Vec<_> = match status {
            Some(status) => {
                let devices = status.devices.iter();
                devices
                    .map(|device| (device.name.clone(), device.state))
                    .collect()
            }
            None => {
                let devices = filtered_devices(pins)?.into_iter();
                devices.map(|(name, mode)| (name, state(mode))).collect()
            }
        };
        Ok(Self::new(found))
    }

    fn new(found: Vec<(String, DeviceState)>) -> Self {
        let judges =
            |state: DeviceState| matches!(state, DeviceState::Filtered | DeviceState::Audited);
        let devices = found.into_iter().filter(|(_, state)| judges(*state));
        Self {
            devices: devices
                .map(|(name, state)| JudgingDevice { name, state })
                .collect(),
        }
    }

    /// Whether any network device judges.
    pub(super) fn has_devices(&self) -> bool {
        !self.devices.is_empty()
    }

    /// Whether any network device drops what it denies.
    pub(super) fn enforce(&self) -> bool {
        let mut devices = self.devices.iter();
        devices.any(|device| device.state == DeviceState::Filtered)
    }
}

const fn state(mode: DeviceMode) -> DeviceState {
    match mode {
        DeviceMode::Enforce => DeviceState::Filtered,
        DeviceMode::Audit => DeviceState::Audited,
    }
}

impl Display for Places {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        if self.devices.is_empty() {
            return formatter.write_str("judged at sockets only: no network device has a filter");
        }
        let devices = self.devices.iter().take(MAX_NAMES);
        let devices = devices.map(|device| format!("{} ({})", device.name, device.state.word()));
        let devices: Vec<_> = devices.collect();
        write!(
            formatter,
            "judged at sockets, and at network devices: {}",
            devices.join(", ")
        )?;
        match self.devices.len().saturating_sub(MAX_NAMES) {
            0 => Ok(()),
            more => write!(formatter, " and {more} others"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn places(devices: &[(&str, DeviceState)]) -> Places {
        let devices = devices.iter();
        Places::new(
            devices
                .map(|(name, state)| ((*name).to_owned(), *state))
                .collect(),
        )
    }

    #[test]
    fn devices_with_filters_are_named_with_their_state() {
        let none = places(&[("lo", DeviceState::Skipped)]);
        assert!(!none.has_devices() && !none.enforce());
        let text = none.to_string();
        assert!(text.ends_with("no network device has a filter"), "{text}");
        let audited = [
            ("eth0", DeviceState::Audited),
            ("ib0", DeviceState::Unfiltered),
        ];
        assert!(places(&audited).has_devices() && !places(&audited).enforce());
        let both = places(&[audited[0], ("eth1", DeviceState::Filtered)]);
        assert!(both.enforce());
        let text = both.to_string();
        assert!(
            text.ends_with(": eth0 (audited), eth1 (filtered)"),
            "{text}"
        );
        let many = [("veth0", DeviceState::Filtered); MAX_NAMES + 2];
        let text = places(&many).to_string();
        assert!(text.ends_with("veth0 (filtered) and 2 others"), "{text}");
    }
}
