//! The programs of network devices without a daemon: loaded over the maps of [`LoadedPolicy`], and attached nowhere. As those of cgroups,
//! they are reused between tests.

use std::{
    mem::ManuallyDrop,
    sync::{Mutex, PoisonError},
};

use super::{Map, loaded_policy::LoadedPolicy, objects};
use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, MapData},
    programs::{
        CgroupSockopt, Program, ProgramError, SchedClassifier, TestRun as _, TestRunOptions,
    },
};
use enforcer_common::layout::{
    Arrivals, DEVICE_EGRESS, DEVICE_HEADERS, DEVICE_INGRESS, DEVICES, Device, DeviceMode, EVENTS,
    LinkHeader, MAPS, MAX_DEVICE_HEADERS,
};

/// Interface index of the loopback device, which a test run's packet has.
const LOOPBACK: u32 = 1;
/// Return codes of a filter: `TC_ACT_UNSPEC` and `TC_ACT_SHOT`.
const NEXT_FILTER: u32 = u32::MAX;
const DROPPED: u32 = 2;

/// The programs while no test uses them, and the id of a map of the policy that they read.
static IDLE: Mutex<Option<(Ebpf, u32)>> = Mutex::new(None);

/// The loaded programs; left to the next test when dropped.
#[derive(Debug)]
pub struct DevicePrograms {
    programs: ManuallyDrop<Ebpf>,
    policy: u32,
}

impl DevicePrograms {
    /// Loads the programs, or reuses those of a previous test over the same maps. None is attached, and no device has an entry.
    ///
    /// # Errors
    /// When the kernel refuses, or the build contains no kernel object.
    pub fn load(policy: &LoadedPolicy) -> Result<Self> {
        let id = Map::pinned(&policy.map(EVENTS))?.id()?;
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).take();
        let programs = match idle {
            Some((programs, policy)) if policy == id => programs,
            _ => verified(policy)?,
        };
        let mut loaded = Self {
            programs: ManuallyDrop::new(programs),
            policy: id,
        };
        loaded.forget_devices()?;
        Ok(loaded)
    }

    /// Removes the entries of all devices.
    fn forget_devices(&mut self) -> Result<()> {
        let mut devices = self.devices()?;
        let indexes: Vec<u32> = devices.keys().collect::<Result<_, _>>()?;
        for index in indexes {
            devices.remove(&index)?;
        }
        let mut headers = self.headers()?;
        for index in 0..MAX_DEVICE_HEADERS {
            headers.set(index, &0, 0)?;
        }
        Ok(())
    }

    fn devices(&mut self) -> Result<HashMap<&mut MapData, u32, Device>> {
        let map = self.programs.map_mut(DEVICES).context(DEVICES)?;
        Ok(HashMap::try_from(map)?)
    }

    /// Loads a program that refuses socket options.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn load_options(&mut self, name: &'static str) -> Result<()> {
        let program: Option<&mut Program> = self.programs.program_mut(name);
        let program: &mut CgroupSockopt = program.context(name)?.try_into()?;
        match program.load() {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("load the program {name}")),
        }
    }

    /// Writes the entry of the loopback device, which test runs name; attaches nothing.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_loopback(&mut self, header: LinkHeader) -> Result<()> {
        self.set_device(LOOPBACK, header)
    }

    /// Writes the entry of the device with this interface index.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_device(&mut self, index: u32, header: LinkHeader) -> Result<()> {
        let entry = Device {
            header: header as u32,
            mode: DeviceMode::Enforce as u32,
            arrivals: Arrivals::Any as u32,
        };
        self.devices()?.insert(&index, &entry, 0)?;
        if index >= MAX_DEVICE_HEADERS {
            return Ok(());
        }
        Ok(self.headers()?.set(index, &(header as u32), 0)?)
    }

    /// Treats the loopback device as one whose interface index is high.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn raise_loopback(&mut self) -> Result<()> {
        Ok(self.headers()?.set(LOOPBACK, &0, 0)?)
    }

    fn headers(&mut self) -> Result<Array<&mut MapData, u32>> {
        let map = self.programs.map_mut(DEVICE_HEADERS);
        Ok(Array::try_from(map.context(DEVICE_HEADERS)?)?)
    }

    /// Whether a frame passes the egress program in a test run.
    ///
    /// # Errors
    /// When the kernel cannot run it.
    pub fn passes(&self, frame: &[u8]) -> Result<bool> {
        let program = self
            .programs
            .program(DEVICE_EGRESS)
            .context(DEVICE_EGRESS)?;
        let program: &SchedClassifier = program.try_into()?;
        let options = TestRunOptions {
            data_in: Some(frame),
            ..TestRunOptions::default()
        };
        match program.test_run(options)?.return_value {
            NEXT_FILTER => Ok(true),
            DROPPED => Ok(false),
            other => bail!("the program returned {other}"),
        }
    }
}

impl Drop for DevicePrograms {
    fn drop(&mut self) {
        // SAFETY: the value is not used after this.
        let programs = unsafe { ManuallyDrop::take(&mut self.programs) };
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        *idle = Some((programs, self.policy));
    }
}

/// Loads the programs of frames over the policy's maps.
fn verified(policy: &LoadedPolicy) -> Result<Ebpf> {
    let mut loader = EbpfLoader::new();
    for name in MAPS {
        loader.map_pin_path(name, policy.map(name));
    }
    let mut programs = loader.load(&objects::devices()?)?;
    for name in [DEVICE_EGRESS, DEVICE_INGRESS] {
        let program: Option<&mut Program> = programs.program_mut(name);
        let program: &mut SchedClassifier = program.context(name)?.try_into()?;
        program
            .load()
            .with_context(|| format!("load the program {name}"))?;
    }
    Ok(programs)
}
