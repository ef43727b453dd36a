//! Loads the programs of network devices over the pinned maps.

use aya::maps::{HashMap, MapData, MapError};
use aya::programs::{Program, SchedClassifier};
use aya::{Ebpf, EbpfLoader};
use enforcer_common::layout::{DEVICE_MAPS, DEVICES, Device, MAPS};

use super::own::program_name;
use crate::bpf::Pins;
use crate::bpf::maps::typed;
use crate::bpf::object::{DEVICE_OBJECT, load_error, prepare, program_error};
use crate::sys::{KernelError, TcHook, devices};

/// The loaded programs and the map of devices that they read.
pub(crate) struct DevicePrograms {
    programs: Ebpf,
    devices: HashMap<MapData, u32, Device>,
    /// The ids of the programs.
    pub(super) ids: [u32; 2],
}

impl DevicePrograms {
    /// Loads the programs with the pinned maps, and pins those that only they use. Attaches nothing.
    ///
    /// # Errors
    /// As [`crate::bpf::Kernel::load`].
    pub(crate) fn load(pins: &Pins) -> Result<Self, KernelError> {
        prepare(DEVICE_OBJECT)?;
        // The loader would create and pin a map that is missing.
        if !pins.are_loaded() {
            return Err(KernelError::NotLoaded {
                path: pins.base().to_owned(),
            });
        }
        let mut loader = EbpfLoader::new();
        for name in MAPS.into_iter().chain(DEVICE_MAPS) {
            loader.map_pin_path(name, pins.map(name));
        }
        let programs = loader.load(DEVICE_OBJECT);
        let mut programs = programs.map_err(|error| load_error(pins, error))?;
        let mut ids = [0; 2];
        for hook in TcHook::ALL {
            let name = program_name(hook);
            let program = program(&mut programs, hook)?;
            program.load().map_err(|error| program_error(name, error))?;
            let info = program.info();
            let info = info.map_err(KernelError::failed(format!("inspect the program {name}")))?;
            ids[hook as usize] = info.id();
        }
        let mut loaded = Self {
            programs,
            devices: typed(pins, DEVICES)?,
            ids,
        };
        loaded.forget_absent()?;
        Ok(loaded)
    }

    pub(super) fn program(&mut self, hook: TcHook) -> Result<&mut SchedClassifier, KernelError> {
        program(&mut self.programs, hook)
    }

    /// Sets how the programs judge at a device.
    pub(super) fn set(
        &mut self,
        index: u32,
        name: &str,
        device: Device,
    ) -> Result<(), KernelError> {
        let what = format!("enter the network device {name} in the map {DEVICES}");
        self.devices
            .insert(&index, &device, 0)
            .map_err(KernelError::failed(what))
    }

    /// Removes the entry of a device without filters.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub(crate) fn forget(&mut self, index: u32) -> Result<(), KernelError> {
        match self.devices.remove(&index) {
            Err(MapError::KeyNotFound) => Ok(()),
            removed => removed.map_err(KernelError::failed(format!(
                "remove a network device from the map {DEVICES}"
            ))),
        }
    }

    /// Removes the entries of devices that went while no daemon ran.
    fn forget_absent(&mut self) -> Result<(), KernelError> {
        let known: Result<Vec<u32>, _> = self.devices.keys().collect();
        let known = known.map_err(KernelError::failed(format!("read the map {DEVICES}")))?;
        let present = devices()?;
        let is_present = |index: &u32| present.iter().any(|device| device.index == *index);
        let mut absent = known.iter().filter(|index| !is_present(index));
        absent.try_for_each(|index| self.forget(*index))
    }
}

fn program(programs: &mut Ebpf, hook: TcHook) -> Result<&mut SchedClassifier, KernelError> {
    let program: Option<&mut Program> = programs.program_mut(program_name(hook));
    program
        .ok_or(KernelError::NoProgram)?
        .try_into()
        .map_err(KernelError::failed("find a program of network devices"))
}
