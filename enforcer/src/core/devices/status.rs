//! The state of network devices in the status.

use enforcer_common::layout::DeviceMode;

use super::{Choice, FoundDevice, Programs, choose};
use crate::config::FramesMode;
use crate::core::device_status::{DeviceState, DeviceStatus};
use crate::core::state::State;

impl State {
    /// Returns the network devices; none if they have no filters by configuration.
    pub(in crate::core) fn device_statuses(&self) -> Vec<DeviceStatus> {
        if self.sources.config.frames.mode == FramesMode::Off {
            return Vec::new();
        }
        let found = self.devices.found.iter();
        found.map(|found| self.device_status(found)).collect()
    }

    fn device_status(&self, found: &FoundDevice) -> DeviceStatus {
        let frames = &self.sources.config.frames;
        let choice = choose(frames, found);
        let (state, reason) = match choice {
            Choice::Skip(reason) => (DeviceState::Skipped, Some(reason.to_owned())),
            Choice::UnknownHeader => (
                DeviceState::Unfiltered,
                Some(format!("frames of type {} cannot be read", found.link_type)),
            ),
            Choice::Filter(_) => self.filtered_status(found),
        };
        let known = self.devices.filtered.get(&found.index);
        DeviceStatus {
            restored: known.and_then(|known| known.restored),
            name: found.name.clone(),
            index: found.index,
            state,
            reason,
            forwarded: self.devices.forwarded(found.index),
        }
    }

    fn filtered_status(&self, found: &FoundDevice) -> (DeviceState, Option<String>) {
        if let Programs::Failed(error) = &self.devices.programs {
            return (DeviceState::Unfiltered, Some(error.clone()));
        }
        let Some(known) = self.devices.filtered.get(&found.index) else {
            return (DeviceState::Unfiltered, None);
        };
        let in_force = known.plan.as_ref().filter(|_| found.filters.judge());
        match in_force.map(|plan| plan.mode) {
            Some(DeviceMode::Enforce) => (DeviceState::Filtered, None),
            Some(DeviceMode::Audit) => (DeviceState::Audited, None),
            None => (DeviceState::Unfiltered, known.failure.clone()),
        }
    }
}
