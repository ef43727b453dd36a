//! Loads the programs of network devices over the pinned maps.

use std::collections::BTreeSet;

use aya::maps::{Array, HashMap, MapData};
use aya::programs::{Program, SchedClassifier};
use aya::{Ebpf, EbpfLoader};
use enforcer_common::layout::{
    Arrivals, DEVICE_FORWARDED, DEVICE_HEADERS, DEVICE_MAPS, DEVICES, Device, DeviceMode, MAPS,
    MAX_DEVICE_HEADERS, OPTIONS_DEVICE,
};

use super::options::{OptionPrograms, remove_option_links};
use super::place::program_name;
use crate::bpf::apply::gone;
use crate::bpf::attach::pin_missing;
use crate::bpf::maps::typed;
use crate::bpf::object::{DEVICE_OBJECT, load_error, prepare, program_error};
use crate::bpf::{Links, Pins, Undone};
use crate::core::ForwardedModes;
use crate::sys::{Cgroup, KernelError, TcHook, devices};

/// The loaded programs and the map of devices that they read.
pub(crate) struct DevicePrograms {
    programs: Ebpf,
    devices: HashMap<MapData, u32, Device>,
    headers: Array<MapData, u32>,
    forwarded: HashMap<MapData, u32, u32>,
    /// Those of the maps.
    pub(super) pins: Pins,
    /// The devices that lacked a filter and whose connections are still to be forgotten, by interface index.
    pub(super) unforgotten: BTreeSet<u32>,
    /// The ids of the programs.
    pub(super) ids: [u32; 2],
    /// Those that refuse socket options, or why there are none.
    options: Result<OptionPrograms, String>,
    /// Whether they are to be attached.
    guards_options: bool,
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
        let options = OptionPrograms::load(&mut programs).map_err(|error| error.to_string());
        let mut loaded = Self {
            programs,
            options,
            guards_options: false,
            devices: typed(pins, DEVICES)?,
            headers: typed(pins, DEVICE_HEADERS)?,
            forwarded: typed(pins, DEVICE_FORWARDED)?,
            pins: pins.clone(),
            unforgotten: BTreeSet::new(),
            ids,
        };
        loaded.forget_absent()?;
        Ok(loaded)
    }

    /// Makes these the modes of forwarded frames. All others are enforced, as is everything while one changes.
    ///
    /// # Errors
    /// If the map cannot be read or written.
    pub(crate) fn set_forwarded_modes(
        &mut self,
        forwarded: &ForwardedModes,
    ) -> Result<(), KernelError> {
        let failed = || KernelError::failed(format!("write the map {DEVICE_FORWARDED}"));
        let known: Result<Vec<u32>, _> = self.forwarded.keys().collect();
        for index in known.map_err(failed())? {
            if !forwarded.contains_key(&index) {
                self.forwarded.remove(&index).map_err(failed())?;
            }
        }
        for (index, mode) in forwarded {
            self.forwarded
                .insert(index, &(*mode as u32), 0)
                .map_err(failed())?;
        }
        Ok(())
    }

    /// Refuses socket options to the processes of `scope`, or only reports them.
    ///
    /// # Errors
    /// As a sentence: if the kernel does not take the programs, or refuses to attach one.
    pub(crate) fn guard_options(
        &mut self,
        mode: DeviceMode,
        pins: &Pins,
        scope: &Cgroup,
        links: &mut Links,
    ) -> Result<(), String> {
        if let Err(error) = &self.options {
            return Err(error.clone());
        }
        // Before a program reads it.
        let entry = Device {
            header: 0,
            mode: mode as u32,
            arrivals: Arrivals::Any as u32,
        };
        let set = self.set(OPTIONS_DEVICE, "of socket options", entry);
        let guarded = set.and_then(|()| {
            self.guards_options = true;
            self.attach_options(pins, scope, links)
        });
        guarded.map_err(|error| error.to_string())
    }

    /// Attaches the programs that refuse socket options where they are not attached.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn attach_options(
        &mut self,
        pins: &Pins,
        scope: &Cgroup,
        links: &mut Links,
    ) -> Result<(), KernelError> {
        match &mut self.options {
            Ok(options) if self.guards_options => {
                options.attach(&self.programs, pins, scope, links)
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Refuses socket options no longer.
    ///
    /// # Errors
    /// If a pin cannot be removed.
    pub(crate) fn release_options(
        &mut self,
        pins: &Pins,
        links: &mut Links,
    ) -> Result<(), KernelError> {
        self.guards_options = false;
        remove_option_links(pins, links)
    }

    /// The programs that refuse socket options and whose link was changed by another process.
    pub(crate) fn undone_options(&self, pins: &Pins, scope: &Cgroup, links: &Links) -> Vec<Undone> {
        let options = self.options.as_ref().ok();
        let options = options.filter(|_| self.guards_options);
        options.map_or_else(Vec::new, |options| options.undone(pins, scope, links))
    }

    /// Restores missing pins of the maps that only these programs use; returns which.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn pin_again(&self) -> Result<Vec<String>, KernelError> {
        pin_missing(&self.pins, &self.programs, &DEVICE_MAPS)
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
        // No frame is read by the header of an earlier device.
        self.set_header(index, 0)?;
        let what = format!("enter the network device {name} in the map {DEVICES}");
        self.devices
            .insert(&index, &device, 0)
            .map_err(KernelError::failed(what))?;
        self.set_header(index, device.header)
    }

    /// Enters a device's header where frames find it at once, if its index is low.
    fn set_header(&mut self, index: u32, code: u32) -> Result<(), KernelError> {
        if index >= MAX_DEVICE_HEADERS {
            return Ok(());
        }
        let what = format!("write the map {DEVICE_HEADERS}");
        self.headers
            .set(index, &code, 0)
            .map_err(KernelError::failed(what))
    }

    /// Removes the entry of a device without filters.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub(crate) fn forget(&mut self, index: u32) -> Result<(), KernelError> {
        self.unforgotten.remove(&index);
        self.set_header(index, 0)?;
        let what = format!("remove a network device from the map {DEVICES}");
        gone(self.devices.remove(&index)).map_err(KernelError::failed(what))
    }

    /// Removes the entries of devices that went while no daemon ran.
    fn forget_absent(&mut self) -> Result<(), KernelError> {
        let known: Result<Vec<u32>, _> = self.devices.keys().collect();
        let known = known.map_err(KernelError::failed(format!("read the map {DEVICES}")))?;
        let present = devices()?;
        let is_present = |index: &u32| {
            *index == OPTIONS_DEVICE || present.iter().any(|device| device.index == *index)
        };
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
