//! The network devices of this host, and their filters.

use enforcer_common::layout::DeviceMode;

use super::host::{Host, sentence};
use crate::bpf::{DevicePrograms, OwnFilters, Undone, remove_option_links};
use crate::core::{DevicePlan, ForwardedModes, FoundDevice, FoundFilters};
use crate::sys::KernelError;

impl Host {
    /// Lists the devices of the daemon's network namespace with this instance's filters.
    pub(super) fn list_devices(&self) -> Result<Vec<FoundDevice>, String> {
        let programs = self.devices.as_ref().map(DevicePrograms::ids);
        sentence(self.own_filters().list(programs))
    }

    pub(super) fn load_device_programs(&mut self) -> Result<(), KernelError> {
        self.devices = Some(DevicePrograms::load(&self.pins)?);
        Ok(())
    }

    pub(super) fn filter_device(
        &mut self,
        plan: &DevicePlan,
    ) -> Result<Option<FoundFilters>, KernelError> {
        let own = self.own_filters();
        let programs = self.devices.as_mut().ok_or(KernelError::NoProgram)?;
        programs.filter(own, plan)
    }

    pub(super) fn unfilter_device(&mut self, index: u32, name: &str) -> Result<(), KernelError> {
        self.own_filters().remove(index, name)?;
        match &mut self.devices {
            Some(programs) => programs.forget(index),
            None => Ok(()),
        }
    }

    pub(super) fn set_forwarded_modes(
        &mut self,
        forwarded: &ForwardedModes,
    ) -> Result<(), KernelError> {
        let programs = self.devices.as_mut().ok_or(KernelError::NoProgram)?;
        programs.set_forwarded_modes(forwarded)
    }

    /// Refuses socket options with which packets pass the filters; `None`: no longer.
    pub(super) fn guard_options(&mut self, mode: Option<DeviceMode>) -> Result<(), String> {
        let programs = self.devices.as_mut();
        match (mode, programs) {
            (Some(mode), Some(programs)) => {
                programs.guard_options(mode, &self.pins, &self.scope, &mut self.links)
            }
            (Some(_), None) => Err(KernelError::NoProgram.to_string()),
            (None, Some(programs)) => {
                sentence(programs.release_options(&self.pins, &mut self.links))
            }
            // Those of an earlier start.
            (None, None) => sentence(remove_option_links(&self.pins, &mut self.links)),
        }
    }

    /// The programs that refuse socket options, as far as their link was changed by another process.
    pub(super) fn undone_options(&self) -> Vec<Undone> {
        let undone = |programs: &DevicePrograms| {
            programs.undone_options(&self.pins, &self.scope, &self.links)
        };
        self.devices.as_ref().map_or_else(Vec::new, undone)
    }

    fn own_filters(&self) -> OwnFilters {
        OwnFilters::of(self.pins.base())
    }
}
