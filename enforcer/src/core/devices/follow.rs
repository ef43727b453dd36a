//! Attaches filters to devices that appear, repairs them, and removes them.

use std::collections::BTreeMap;

use super::{DevicePlan, FoundDevice, FoundFilters, Options, Programs};
use crate::config::FramesMode;
use crate::core::alarm_kind::AlarmKind;
use crate::core::effect::Effect;
use crate::core::state::State;

impl State {
    /// Takes the devices of the daemon's network namespace.
    pub(in crate::core) fn devices_listed(&mut self, listed: Result<Vec<FoundDevice>, String>) {
        match listed {
            Ok(found) => {
                self.devices.found = found;
                self.devices.unlisted = None;
            }
            Err(error) => self.devices.unlisted = Some(error),
        }
        self.follow_devices();
        self.report_devices();
    }

    /// Tries again what failed, as the configuration was read again.
    pub(in crate::core) fn devices_reloaded(&mut self) {
        if let Programs::Failed(_) = self.devices.programs {
            self.devices.programs = Programs::NotLoaded;
        }
        if self.devices.options.failure.is_some() {
            self.devices.options = Options::default();
            self.devices.programs = Programs::NotLoaded;
        }
        for kind in [AlarmKind::DeviceFilterLost, AlarmKind::DeviceFlowsFull] {
            self.alarms.replace(kind, &BTreeMap::new());
        }
        self.follow_devices();
        self.report_devices();
    }

    /// Returns whether the devices must be listed again soon: a filter is not in force or not the first.
    pub(crate) fn devices_pending(&self) -> bool {
        let devices = &self.devices;
        let is_on = self.sources.config.frames.mode != FramesMode::Off;
        let mut found = devices.found.iter();
        is_on
            && (devices.unlisted.is_some()
                || devices.forwarded.is_none()
                || found.any(|found| devices.is_pending(found)))
    }

    /// Removes all filters, as a version from before them takes over, which would leave them with the policy of today.
    pub(in crate::core) fn leave_devices(&mut self) {
        let left = self.devices.unwanted(&BTreeMap::new());
        if !left.is_empty() {
            tracing::warn!(
                "the program that takes over does not know the filters of network devices: they are removed"
            );
        }
        let effects = left.into_iter();
        self.effects
            .extend(effects.map(|(index, name)| Effect::UnfilterDevice(index, name)));
    }

    pub(in crate::core) fn device_programs_loaded(&mut self, outcome: Result<(), String>) {
        self.devices.programs = match outcome {
            Ok(()) => Programs::Loaded,
            Err(error) => Programs::Failed(error),
        };
        self.follow_devices();
        self.report_devices();
    }

    /// Notes what was attached; `None`: the device is gone.
    pub(in crate::core) fn device_filtered(
        &mut self,
        plan: DevicePlan,
        outcome: Result<Option<FoundFilters>, String>,
    ) {
        let now = self.now.since_start;
        let index = plan.index;
        let entry = self.devices.filtered.entry(index).or_default();
        entry.name.clone_from(&plan.name);
        match outcome {
            Ok(None) => {
                self.devices.forget(index);
            }
            Ok(Some(filters)) => {
                let lost = self.devices.take_filters(plan, filters, now);
                if let Some(what) = lost {
                    self.report_lost(index, what);
                }
            }
            Err(error) => entry.failure = Some(error),
        }
        self.report_devices();
    }

    /// Notes that a device has no filters of this instance.
    pub(in crate::core) fn device_unfiltered(&mut self, index: u32, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.devices.without_filters(index),
            Err(error) => {
                let entry = self.devices.filtered.entry(index).or_default();
                entry.failure = Some(error);
            }
        }
        self.report_devices();
    }

    fn follow_devices(&mut self) {
        let frames = self.sources.config.frames.clone();
        let wanted = self.devices.wanted(&frames);
        let unwanted = self.devices.unwanted(&wanted);
        let effects = unwanted.into_iter();
        self.effects
            .extend(effects.map(|(index, name)| Effect::UnfilterDevice(index, name)));
        self.follow_options();
        if frames.mode == FramesMode::Off {
            return;
        }
        self.follow_forwarded();
        match self.devices.programs {
            Programs::Loaded => {
                let now = self.now.since_start;
                let due = wanted.into_iter();
                let due = due.filter(|(_, plan)| self.devices.is_due(plan, now));
                let due: Vec<_> = due.map(|(_, plan)| Effect::FilterDevice(plan)).collect();
                self.effects.extend(due);
            }
            Programs::NotLoaded => {
                self.devices.programs = Programs::Loading;
                self.effects.push(Effect::LoadDevicePrograms);
            }
            Programs::Loading | Programs::Failed(_) => {}
        }
    }
}
