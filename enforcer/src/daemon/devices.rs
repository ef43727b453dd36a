//! The network devices of this host, and their filters.

use super::host::{Host, sentence};
use crate::bpf::{DevicePrograms, OwnFilters};
use crate::core::{DevicePlan, FoundDevice, FoundFilters};
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

    fn own_filters(&self) -> OwnFilters {
        OwnFilters::of(self.pins.base())
    }
}
